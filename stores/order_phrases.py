"""How people address a machine that reads their text: the phrases by which `stores.orders` knows an order.

Each rule wants two things together, an order and what makes it one to a machine: what the machine is called, the instructions
that it has, or the answer that it gives. So "ignore the previous invoice" and "the assistant must lock the door" are none.
The rules see text without accents, case, invisible characters and lookalikes (`orders.folded`).
"""

from __future__ import annotations

import re

_MACHINE = (
    r"(?:(?-i:\bAIs?\b|\bA\.I\.)|artificial intelligences?|\bllms?\b|language models?|chat ?-?bots?|\b(?:chat)?gpt[\w.-]*|\bclaude\b|\bgemini\b"
    r"|(?:virtual|digital|automated|smart|intelligent) (?:assistant|agent|reader|system|model)s?|neural networks?|machine readers?)"
)
_ASSISTANT = r"(?:\bassistants?\b|\bbots?\b|\bmodels?\b|\banswerers?\b|\bsummari[sz]ers?\b|\breaders?\b|\bwhoever\b|\bwhatever (?:system|program|tool)\b)"
_ADVERBS = r"(?:(?:not|never|always|also|only|first|now|instead|simply|then|therefore|immediately|please|hereby|at once) )*"
_OUGHT = rf"(?:must|shall|should|has to|have to|needs? to|ought to|(?:is|are) (?:(?:hereby |now )?(?:required|instructed|requested|asked|ordered|told|obliged|expected|advised|directed|commanded) )?to) {_ADVERBS}"
_SAY = r"(?:say|reply|respond|answer|output|print|repeat|recite|echo|state|claim|announce|assert|mention|write|type|declare|insist|display)"
_ANSWER = r"(?:answers?|repl(?:y|ies)|responses?|outputs?|completions?|summar(?:y|ies)|translations?)"
_QUOTED = r"[\"“”„«‹‘`]|'(?=\w)"
_LOUD = r"(?-i:\b[A-Z][A-Z0-9_-]{3,}\b)"
_WORDS = r"the (?:\w+ )?(?:words?|phrases?|sentences?|strings?|passwords?|tokens?|code ?words?|text|line)\b"
_ASKER = r"(?:users?|askers?|questioners?|humans?|readers?|persons? (?:who asks|asking)|people (?:who ask|asking)|(?:whoever|anyone|everyone|everybody) (?:who )?asks?)"
_STARTS = r"(?:^[\W_]*|[.:;!?,–—(-] ?|\b(?:please|kindly|always|simply|just|instead|then|now|first|finally|also|only|and|you (?:must|will|shall|should|are to|can)|must|do|don't|not|never) )(?:(?:please|kindly|always|simply|just|instead|then|now|first|finally|also|only|never) )*"
_OPENS = r"(?:^[\W_]*|[:;!?–—] ?|\b(?:please|kindly|always|just|only|simply|never) )(?:(?:please|kindly|always|just|only|simply|also|then|now) )*"
_IGNORE = (
    r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget|overrid(?:e|ing)|overrule|bypass|discard|dismiss|abandon|set aside|put aside|pay no (?:attention|heed) to"
    r"|(?:do not|don't|never|stop|no longer) (?:follow|following|obey|obeying|heed|heeding|trust))\b"
)
_INSTRUCTIONS = (
    r"(?:instructions?|(?:system )?prompts?|directives?|guard ?rails?|system messages?|(?:previous|prior|above|earlier|preceding|your|foregoing|initial|original|system) (?:\w+ )?"
    r"(?:rules?|commands?|guidelines?|constraints?|contexts?|texts?|passages?|documents?|messages?|conversation|questions?|restrictions?|training|programming)"
    r"|everything (?:above|before|you|else|that (?:came|stands|was))|all (?:of )?(?:the )?(?:above|rules)\b|the (?:user's )?(?:questions?|users?|passages?)\b|the above(?= ?(?:[.,;:!]|and|$)))"
)
_WHO_ASKS_A_PERSON = "customer|client|guest|caller|patient|visitor|member|student|passenger|employee|colleague|supplier|teacher|police|officer|doctor|parent|child|tenant"

ENGLISH = (
    # What it has been told before is to count no more.
    ("@IGNORE",
     rf"{_IGNORE} (?:[\w'-]+[ ,/]+){{0,6}}?{_INSTRUCTIONS}"),
    ("@INSTR",
     r"\b(?:(?:previous|prior|above|earlier|system|your) (?:instructions?|prompts?|rules|directives?|guidelines?)|(?:instructions?|prompts?|rules|directives?) above)\b[^.!?]{0,30}"
     r"\b(?:are|is|have been|has been|were|was) (?:now |hereby )?(?:void|cancell?ed|revoked|superseded|suspended|obsolete|replaced|overridden|lifted|no longer)"),
    ("@INSTR notice override message messages task tasks",
     r"^\W*(?:new|updated|system|developer|admin\w*|override|hidden|secret|priority|urgent)[ _-](?:instructions?|prompts?|directives?|commands?|override|tasks?|messages?|notice)\b"),
    ("@INSTR memo memos attention notice notices note notes message messages reminder reminders request requests hint hints orders task tasks",
     rf"\b(?:instructions?|directives?|commands?|orders?|tasks?|rules?|notes?|notices?|messages?|memos?|reminders?|requests?|attention|hints?) (?:to|for|,|:)?,? ?(?:(?:all|any|every|each|the|you|our|an?) ){{0,2}}(?:{_MACHINE}|assistants?\b(?= ?[:,.!]| (?:that|which|who|reading)))"),
    # The marks of a conversation that is none.
    ("@MARK",
     r"<\|[^|<>]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?(?:start_of_turn|end_of_turn|system|assistant|user|human|instructions?|prompt|s|im_start|im_end)>|\[/?(?:system|assistant)\b[^\]]*\]|\{\{.{0,20}system"),
    ("system assistant developer ai human response role",
     r"^\W*(?:#+ ?)?(?:system|assistant|developer|AI)(?: (?:prompt|message|note|instruction|notice|override))? ?[:>](?:(?: \S+){3}| ?\S{40})|^\W*#+ ?(?:system|assistant|human|response)\b ?:?$|[\"']role[\"'] ?:"),
    ("begin start end beginning",
     r"\b(?:begin|end|start) (?:of )?(?:system|hidden|secret|new) (?:prompt|instructions?|message)|(?:end|beginning) of (?:the )?(?:documents?|context|passages?)\b.{0,20}(?:$|[:.>*=-])"),
    ("@MARK",
     r"=> ?(?:sql|documents|both|memory|chat|off_topic)\b"),
    # It is called what it is.
    ("@MACHINE",
     rf"{_MACHINE}[^.!?]{{0,60}}?\b{_OUGHT}(?!be\b|have\b)"),
    ("@MACHINE",
     rf"^\W*(?:note|notice|attention|message|memo|hello|hi|hey|dear|ok|okay|listen|reminder)\b[ ,:!-]*(?:(?:to|for|all|any|every|the|you|our|my|an?) ){{0,3}}(?:{_MACHINE}|assistants?\b(?! [a-z]+ary)|bots?\b|models?\b)"),
    ("@MACHINE",
     rf"^\W*(?:{_MACHINE}|assistants?\b|bots?\b) ?[,:!–-].{{0,80}}?\b(?:you|your|please|must|ignore|disregard|say|reply|respond|answer|output|print|repeat|tell|forget|remember|do not|don't|never|always)\b"),
    ("@MACHINE",
     rf"\byou(?:'re| are) (?:now |actually |really |henceforth |no longer )?(?:an? |the |my |our )?(?:[\w-]+,? ){{0,3}}?(?:{_MACHINE}|assistant\b|bot\b)"),
    ("@MACHINE anyone anything",
     rf"(?:{_MACHINE}|{_ASSISTANT}|\banyone\b|\banything\b)[^.!?]{{0,30}}\b(?:summari[sz]\w+|process\w*|pars\w+|index\w+|answer\w*(?: questions)? from|ingest\w*|quot\w+|interpret\w*) (?:this|these)\b"),
    ("@MACHINE retrieve retrieved retrieval retrieving",
     rf"\b(?:if|when|whenever|while|since|as) (?:you|this|it)[^.!?]{{0,30}}\b(?:{_MACHINE}|retriev\w+|as an? (?:assistant|model|bot))"),
    ("@MACHINE",
     rf"{_ASSISTANT}[^.!?]{{0,60}}?\b{_OUGHT}(?:say|reply|respond|answer(?! (?:the )?(?:phone|door|bell|call))|repeat|ignore|disregard|obey|claim|pretend|refuse|recite|tell {_ASKER}|tell the {_ASKER}|forget|execute|run (?:the )?(?:sql|quer|statement|delete|drop|update|insert|pragma|:)|first run|end|finish|close|begin|append|mention|output|print|write (?:the (?:word|phrase|sql)|{_QUOTED}))"),
    # What it is to say.
    ("say reply respond answer",
     rf"{_STARTS}(?:say|reply|respond|answer) (?:back |only |just |exactly |simply |always |instead |to (?:every|all|any|each)\b|with\b|that\b|nothing\b|in (?:the (?:style|voice|language)|all caps|upper ?case|french|german|spanish|italian|english|latin|rhymes?|verse|pirate|base64|emoji)|as (?:if|though|an?)\b|like an?\b|this\b|the following\b|{_WORDS})"),
    ("state claim announce assert mention insist repeat conclude",
     rf"{_STARTS}(?:state|claim|announce|assert|mention|insist|repeat|conclude) (?:that\b|verbatim|this (?:sentence|phrase|word)|the following (?:sentence|phrase|word|text))"),
    ("@SAY",
     rf"{_STARTS}{_SAY}(?: |: ?)(?:only |just |exactly |simply |back )?(?:{_QUOTED}|{_LOUD}|{_WORDS})"),
    ("@SAY saying replying responding answering printing repeating",
     rf"\b(?:to|should|would|could|can|may|will|shall|by) {_SAY}(?:ing)? (?:only |just |exactly |simply |nothing but )?(?:{_LOUD}|the (?:word|phrase|sentence|string|token|code ?word) (?:{_QUOTED}|{_LOUD}|\S+$))"),
    ("@ASKER",
     rf"{_STARTS}(?:tell|inform|notify|remind|warn|advise|assure|convince|instruct|urge|encourage|direct|ask|invite|refer|send|point) (?:the |any |every |all |each |your |this )?{_ASKER}\b"),
    ("@ANSWER",
     rf"\b(?:add|append|insert|include|put|place|write|use|give|mention|prepend|attach|weave|work|slip|embed|say|state)\b[^.!?]{{0,60}}\b(?:to|in|into|of|before|after|within|with|under|below|above) (?:your |every |each |any |all (?:of )?(?:your )?|the (?:final |next |end of (?:the |your |every |each )?)|its |whatever |the (?=answer|repl|response)){_ANSWER}\b"),
    ("@ANSWER",
     rf"\b(?:begin|start|end|finish|close|conclude|preface|prefix|prepend|sign|open|complete|follow|precede|replace)(?:s|ing)? (?:off )?(?:with )?(?:your|every|each|all|any|its|whatever|the) (?:[\w-]+ ){{0,2}}?{_ANSWER}\b"),
    ("@ANSWER",
     r"\b(?:in|of|to|for) your (?:final |next |own )?(?:answers?|responses?|output|summary)\b[^.!?]{0,20}\b(?:include|mention|say|add|use|insert|always|never|do not|don't)\b"),
    ("@ANSWER",
     rf"\b{_ANSWER}\b[^.!?]{{0,60}}?\b(?:must|shall|should|has to|have to|needs? to|ought to|is to|are to|may only|will|always|is always) (?:[\w-]+ ){{0,2}}?(?:contain|include|begin|start|end|close|finish|mention|say|state|read|conclude|carry|repeat|recommend|consist|name|refer|link|quote|sound|be (?:{_QUOTED}|{_LOUD}|the (?:word|phrase)))s?\b"),
    ("@ANSWER",
     rf"\b(?:only|official|approved|expected|required|permitted|allowed|correct) (?:{_ANSWER})\b[^.!?]{{0,20}} (?:to (?:this|any|every|all|each|such)|(?:here )?is (?:{_QUOTED}|{_LOUD}|always|now)|from now)"),
    ("@ANSWER",
     r"\b(?:answers?|reply|response)\b (?:to (?:this|any|every|all|each|such)\b[^.!?]{0,40} )?(?:is|are) (?:always|now|simply|henceforth)\b"),
    ("asked ask asks query queries queried questioned prompted answering responding replying summarizing summarising",
     rf"\b(?:when(?:ever)?|if|once|should|in case|every time|each time|any ?time)\b(?:(?!{_WHO_ASKS_A_PERSON})[^.!?]){{0,30}}\b(?:asked|asks?|quer(?:y|ies|ied)|questioned|prompted|(?:are |is )?(?:answering|responding|replying|summari[sz]ing))\b[^.!?]{{0,120}}?"
     r"\b(?:say|reply|respond|answer|state|claim|tell (?:the|them|him|her|every)|output|print|repeat|mention|(?:answer|reply|response) (?:is|must|should|shall)|pretend|refuse|recommend|insert|append|end with|begin with|close with)\b"),
    ("answer answers answering reply replies replying respond responds responding",
     r"\bbefore (?:you |it )?(?:answer|reply|respond)(?:s|ing)?\b(?! (?:the )?(?:phone|door|bell|call))[^.!?]*\b(?:question|user|run|execute|first|must|say|ask)"),
    ("you",
     rf"\byou (?:must|will|shall|have to|are required to|are to|need to|may|can) {_ADVERBS}(?:say|ignore|disregard|obey|comply with (?:this|these|my)|pretend|claim|only (?:answer|reply|respond|say|speak)|speak (?:only|like|in)|(?:reply|respond|answer) (?:only|with (?:{_QUOTED}|the )|in |every|all|any|to (?:every|all|any)))"),
    ("henceforth now rest notice",
     rf"\b(?:from now on|henceforth|for the rest of (?:this|the) (?:conversation|chat|session)|until further notice),? (?:you\b|your\b|answer|reply|respond|speak|say|(?:all|every|each) (?:\w+ )?{_ANSWER})"),
    ("pretend write respond reply answer act behave speak talk imagine persona role roleplay",
     rf"{_STARTS}(?:pretend (?:to be|that you|you)|(?:act|behave|speak|talk|write|respond|reply|answer) (?:like an?|as (?:an? |if|though))|imagine (?:that )?you are|adopt the (?:persona|role)|role-?play)"),
    ("@ANSWER",
     rf"\b(?:requir\w+|request\w*|insist\w*|ensure|sure|important|wish\w*|like|want\w*|expect\w*|need\w*|hope\w*)\b[^.!?]{{0,40}}\b{_ANSWER}\b[^.!?]{{0,20}}\b(?:(?:to )?(?:include|contain|begin|start|end|close|finish|mention|carry)|{_LOUD})\b"),
    ("text content prose word words sentence sentences anything whatever everything",
     r"\b(?:text|content|prose|words?|sentences?|anything|whatever|everything|what)\b[^.!?]{0,25}\b(?:generated|produced|written|composed|derived)\b[^.!?]{0,60}\b(?:include|contain|begin|start|end|mention|carr(?:y|ies))s?\b|\b(?:appear|occur|stand|included?)\b[^.!?]{0,20}\b(?:whatever|what|all that|everything that|any text) (?:is |gets )?(?:generated|produced|written|said)"),
    ("you your",
     rf"\b(?:whatever|anything|everything|what|all) you (?:next )?(?:write|say|answer|reply|generate|produce|tell|output)\b|\byour (?:next|first|last|final|whole|entire|only) (?:sentence|message|words?|line|output|turn|{_ANSWER})\b"),
    ("line word sentence words thing",
     rf"\b(?:first|last|next|final|opening|closing) (?:line|words?|sentence|thing)\b[^.!?]{{0,30}}\b(?:is always|has to be|must be|should be|you (?:say|write)|of (?:your|every|each|any|all|the) {_ANSWER})"),
    ("conclude finish end close begin start open sign",
     rf"{_STARTS}(?:conclude|finish|end|close|begin|start|open|sign off) (?:with|on|by saying):? ?(?:{_QUOTED}|{_LOUD}|{_WORDS})|^\W*(?:conclude|finish|end|close|begin|start|open|sign off) with ?:"),
    ("translate rewrite render format shorten phrase sing rhyme",
     rf"\b(?:translate|rewrite|render|format|shorten|phrase|sing|rhyme) (?:your|every|each|all|any) {_ANSWER}\b"),
    ("@ASKER",
     rf"{_STARTS}(?:tell|mention|reveal|say|disclose|show|hide|keep|conceal|withhold|lie|greet|address|explain)\b[^.!?]{{0,40}}\b(?:(?:the|this|any|every|your) (?:user|asker|questioner|human)|whoever asks|anyone who asks)\b|\bthe user (?:has already|already|wants you|asked you|would like you|expects you|needs you)\b"),
    ("@MACHINE software machine program",
     rf"(?:{_MACHINE}|{_ASSISTANT}|\bsoftware|\bmachine|\bprogram)\b[^.!?]{{0,60}}\b(?:says|prints|answers|replies|responds|outputs|writes|adds|appends|ends|closes|mentions)\b[^.!?]{{0,20}}(?:{_LOUD}|{_QUOTED})"),
    ("repeat say", r"\b(?:repeat|say)(?: this)? after me\b"),
    ("say reply respond output obey write type",
     rf"{_OPENS}(?:say|reply|respond|obey)\b(?! (?:to|within|by|promptly|immediately|in writing|at|before|on|no|yes|who|what|where|when|which|how|why|if|whether|goodbye|thank)\b) ?:? ?\w|\b(?:just|only|always|please|simply) (?:output|write|type)\b:? ?(?!about\b|to\b|down\b|in\b)\w|^\W*(?:output|write|type) ?: ?\w|^\W*obey\b|\b(?:must|shall|will|to) (?:always |only )?(?:reply|respond|answer) (?:only )?(?:with|using) (?:{_QUOTED}|{_LOUD}|the (?:word|phrase|sentence))"),
    ("answer print mention greet recite repeat echo speak talk",
     rf"{_OPENS}(?:answer|print|mention|greet|recite|repeat|echo)\b:? (?!(?:is|was|the|a|an|all|any|your|this|these|those|each|every|it|them|its|their|his|her|our|my|to|on|in|at|by|for|from|within|down|out|up|off|if|when|about|legibly|clearly|\d+|two|three|both|new|and|or|honestly|us|of)\b)\w|{_OPENS}(?:speak|talk) (?:only|of|about|like|as|in)\b|\b(?:speak|talk) (?:only |of nothing but|about nothing but)|\bmention\b[^.!?]* at least once"),
    ("sign message messages finish end close conclude begin start open insist recommend add",
     rf"\bsign (?:off|(?:your|every|each|all) (?:messages?|texts?))\b|\b(?:messages?|texts?) (?:always )?(?:ends?|begins?|starts?|closes?) (?:with|in|on)\b|\b(?:always|never|please|kindly|must|only) (?:finish|end|close|conclude|begin|start|open) (?:by|with)\b|\b(?:always|please|kindly|must) (?:add|insert|append|insist|recommend):? ?(?:{_QUOTED}|{_LOUD}|that\b)"),
    ("matter whatever regardless whichever no",
     rf"\bno matter (?:what|which)\b[^.!?]{{0,30}}\b(?:ask\w*|question|answer|say)|\bwh(?:at|ich)ever (?:the |question|you are asked|is asked|they ask|anyone asks)[^.!?]{{0,20}}(?:question|asked?|asks|ask)?\b[^.!?]{{0,40}}\b(?:answer|say|reply|is|,)|\bregardless of (?:the question|what (?:is|you are|was) asked)|\bno other {_ANSWER}"),
    ("response answer output reply template llm ai instructions prompt",
     r"^\W*(?:response|final answer|output|(?:suggested|model|sample|expected) (?:reply|answer|response)|response[_ -]?template|prompt)[\"']?(?: ?:|_\w+ ?=)|\b(?:llm|ai|prompt|system)_\w+ ?[:=]"),
    ("ask asks asking enquire enquires enquiring inquire inquires inquiring",
     rf"\b(?:users?|anyone|anybody|people|whoever|everyone|everybody|those|persons?)(?: who)? (?:asks?|asking|enquir\w+|inquir\w+|wants? to know)\b[^.!?]{{0,60}}\b(?:told|gets?|hears?|learns?|{_ANSWER}|is given|receives?|greet\w*)\b|\bgreet (?:the|any|every)"),
    ("your you",
     r"\byour (?:task|job|role|mission|duty|goal|purpose|name|persona)(?: now)? ?(?:is|:)[^.!?]{0,30}\b(?:say|print|reply|respond|answer|write|output|mention|now|pretend|that of)\b|\byou (?:will|shall|must|can only|may only|are to) (?:now |only )?(?:speak|talk|act (?:as|like)|obey)\b|\bi(?:, [^,]{3,30},)? (?:want|order|need|command|instruct|ask|tell|authori[sz]e|request|expect|allow) you to (?:\w+ )?(?:say|reply|respond|answer|output|print|repeat|mention|write|ignore|forget|pretend|reveal|speak)|\bdo what i say\b"
     r"|\bif you (?:can read|are reading|read|see|find|process) this\b|\bthe one (?:answering|reading|replying|summari\w+)|\byou who (?:answer|read|reply|summari\w+|write)|\bupdate your memor"),
    ("phrase word words sentence expression slogan motto string sure",
     r"\bthe (?:phrase|sentence|slogan|string)\b[^.!?]{1,80}\b(?:must|should|shall|has to|have to|needs? to|is to|are to) (?:be|appear|stand|come|close|end|open|follow)\b|\b(?:make sure|ensure|see to it)\b[^.!?]{1,60}\b(?:is|are|gets|be) (?:mentioned|said|included|quoted|repeated|named|stated)|\bverbatim ?:"),
    # What its account of a thing has to be.
    ("account accounts answer answers mention description report telling",
     r"\bwithout which no (?:\w+ )?(?:account|answer|mention|description|report|telling)\b|\b(?:account|answer|mention|description|telling)s?\b[^.!?]{0,40}\b(?:that|which) (?:lacks?|omits?|leaves? out)\b[^.!?]{0,60}\b(?:wrong|false|void|untrue|incomplete|invalid|nothing)\b"),
    ("output replies responses",
     r"\b(?:all|every|any) (?:output|replies|responses)\b[^.!?]{0,40}\b(?:wears?|bears?|carr(?:y|ies)|shows?|ends?|begins?|closes?|comes? with|ha(?:s|ve))\b"),
    ("follows precedes above below", r"\bwhat (?:follows|precedes|stands (?:here|below|above)) is (?:\w+ )?(?:spoken|said|told|narrated|answered|uttered|read(?: out)?) (?:by|in the (?:voice|name|words) of)\b"),
    ("verbatim", r"\binclude\b[^.!?]{0,40}\bverbatim\b"),
    ("when whenever", r"\bwhen(?:ever)? (?:explaining|describing|discussing|talking|mentioning|speaking|quoting|citing|presenting|writing|summari[sz]ing|answering|reading|telling|(?:this|the) (?:text|passage|page|document) is)[^.!?]{0,80}\b(?:mention|say|add|include|note|state|call|output|print|write|end|begin)\b"),
    ("text passage page document file", r"\bif (?:this|the) (?:text|passage|page|document|file|sentence) is (?:read|retrieved|quoted|found|processed|shown|indexed)\b"),
    ("@MARK", r"</?\w*(?:passage|question|document|context|answer|query|instruction|important|system)\w*>"),
    ("human user", r"\b(?:human|user) ?:.{1,200}\b(?:assistant|ai|bot|answer) ?:"),
    ("note message messages developer administrator admin creator operator reminder machine override from",
     r"^\W*(?:hidden|private|secret|internal) note\b|\b(?:note|reminder|memo) to (?:self|the (?:machine|model|system|reader|answering))|\bfor the machine\b|\b(?:message|order|note|instruction)s? from (?:the |your )?(?:developer|admin\w*|system|creator|operator|openai|anthropic)|\b(?:as|i am|i'm|this is) (?:your|the) (?:developer|creator|administrator|admin|operator|user)\b|^\W*from: (?:openai|anthropic|the developer|system)\b|\b(?:llm|ai|priority|admin\w*|system)[ _](?:override|message)\b"),
    ("memory memories", r"\b(?:save|store|add|put|keep|write|record|note)\b[^.!?]{0,30}\b(?:in|to|into|as)\b (?:a |the |your |long-term |its )*memor(?:y|ies)\b"),
    ("sql database", r"\b(?:switch|change|route|go over)\b[^.!?]{0,20}\bto (?:the )?(?:sql|database|chat|memory|off[_ -]topic|documents)\b|\b(?:use|query|search|answer from) the database\b|\brun this (?:query|sql)"),
    ("decode conversation", r"\bdecode\b[^.!?]{0,40}\b(?:follow|obey|execute|do|say)\b|\b(?:new|end of) conversation\b"),
    # What it is to do with what it keeps, runs and is.
    ("user users memory",
     r"\b(?:remember|memori[sz]e|note|save|store|record|keep in (?:mind|memory))\b[^.!?]{0,40}\b(?:the user\b|this user\b|users?'s? |about the user|(?:in|to) (?:your|the assistant's|long-term) memory)"),
    ("memory memories memor notes history settings preferences everything anything user you",
     r"\b(?:forget|delete|erase|clear|wipe|remove|reset|overwrite)\b[^.!?]{0,40}\b(?:(?:your|the user's|the assistant's|all (?:your|user|stored)) (?:\w+ )?(?:memor|notes|history|settings|preferences)|memories\b|(?:chat|conversation) history|(?:everything|anything|all|what) (?:that )?(?:you|the user)\b)"),
    ("assistant model ai chatbot own",
     r"\b(?:change|set|switch|update|disable|enable|turn (?:on|off)|alter|lower|raise|reset)\b[^.!?]{0,30}\b(?:the (?:assistant|model|ai|chatbot)'?s?|model\.|assistant\.|your own) ?(?:\w+ )?(?:settings?|mode|language|persona|role|name|temperature|threshold|model|rules|database|rout)"),
    ("prompt your user",
     r"\b(?:reveal|show|print|output|display|repeat|leak|disclose|send|list|dump)\b[^.!?]{0,30}\b(?:system prompt|your (?:\w+ )?(?:instructions|prompts?|rules|memor\w+)|the user's (?:\w+ )?(?:memor\w+|data|messages|name|conversation|history))"),
    ("@SQL",
     r"\b(?:run|execute|issue|perform|submit)\b[^.!?]{0,40}\b(?:drop\s+table|delete\s+from|update\s+\w+\s+set|insert\s+into|truncate\s+table|alter\s+table|pragma\s+\w+)\b.*(?:$|question|answer|user)"),
    ("sql database off chat memory documents both",
     r"\b(?:classify|route|sort|label|treat|send|forward)\b[^.!?]{0,40}\b(?:questions?|messages?|requests?|quer(?:y|ies))\b[^.!?]{0,40}\b(?:as|to|under)\b[^.!?]{0,20}\b(?:sql|database|off[_ -]topic|chat|memory|documents|both)\b"
     r"|\b(?:questions?|messages?|requests?)\b[^.!?]{0,60}\b(?:go|goes|belongs?|are|is|must be|should be)\b[^.!?]{0,20}\b(?:sql|off[_ -]topic)\b"),
    ("jailbreak jailbroken injection mode",
     r"\b(?:jailbr(?:eak|oken)|prompt injection (?:test|string)|dan mode|god mode|you are (?:now )?in \w+ mode|developer mode (?:on|enabled))\b"),
)

_IGNORE_ELSEWHERE = (
    "ignorier|missacht|vergiss|vergesst|vergessen sie|uberspring|ignorez|ignorer|oublie|neglige|pas compte|ignora|ignore|olvid|caso omiso|dimentic|trascur|esque[cç]|desconsider"
    "|negeer|vergeet|zignoruj|ignoruj|zapomnij|pomin|игнорир|забудь|не обращай|gormezden|yok say|dikkate alma|unut|ignorera|glom|glem|zapomen|ігнору|تجاهل|انس|अनदेखा|नजरअंदाज|भूल"
    "|忽略|忽视|无视|無視|忽視|忘记|忘掉|忘れ|무시|잊어|bo qua|abaikan|lupakan"
)
_INSTRUCTIONS_ELSEWHERE = (
    "anweisung|instruktion|vorgabe|befehl|regeln|consigne|instruc|regle|directive|indicacion|regla|istruzion|regol|direttiv|regra|diretri|opdracht|aanwijzing|regels|instrukcj|polece"
    "|zasad|инструкц|указани|правил|команд|talimat|yonerge|kural|komut|anvisning|instruks|regler|pokyn|instrukc|інструкц|вказівк|تعليمات|اوامر|निर्देश|指令|指示|说明|提示|規則|规则|命令|지시|명령|규칙"
    "|instruksi|perintah|huong dan|chi dan"
)
_MACHINE_ELSEWHERE = (
    r"(?-i:\bKI\b|\bIA\b|\bAI\b|\bИИ\b|\bШІ\b)|sprachmodell|kunstliche\w* intelligenz|\bassistent\w*|modele de langage|intelligence artificielle|\bassistante?\b|agent conversationnel|modelo de lenguaje"
    r"|inteligencia artificial|asistente|modello linguistico|intelligenza artificiale|assistente|modelo de linguagem|taalmodel|kunstmatige|model\w* jezykow|sztuczn|asystent|языков\w+ модел|ассистент"
    r"|искусственн|нейросет|yapay zeka|dil modeli|\basistan|sprakmodell|sprogmodel|jazykov\w+ model|umel\w+ inteligenc|\basistent|мовн\w+ модел|المساعد|الذكاء الاصطناعي|सहायक|भाषा मॉडल"
    r"|人工智能|人工智慧|语言模型|大模型|助手|言語モデル|人工知能|アシスタント|인공지능|언어 모델|어시스턴트|챗봇|chat-?bot"
)
_SAY_ELSEWHERE = (
    r"\bantworte(?:n sie)?\b|\bsag(?:e|en sie)?\b|\bschreib(?:e|en sie)?\b|\bgib\b|\bgeben sie\b|\bnenn(?:e|en)\b|\berwahne|\bbeende|\bbeginne|\bfuge|\bwiederhole|\brepond(?:s|ez|re)\b|\bdis\b|\bdites\b|\becri(?:s|vez)\b|\btermine[rz]?\b"
    r"|\bcommence[rz]?\b|\bajoute[rz]?\b|\bmentionne[rz]?\b|\brepete[rz]?\b|\baffiche[rz]?\b|\bresponde[r]?\b|\bdi\b|\bdiga\b|\bescrib[ae]|\btermin[ae]\b|\bempie[cz]|\banad[ae]\b|\bmencion[ae]\b|\brepite\b|\brispond\w+|\bscrivi\b"
    r"|\baggiungi\b|\binizia\b|\bripeti\b|\bresponda\b|\bescreva\b|\btermine\b|\bacrescente\b|\brepita\b|\bantwoord\b|\bzeg\b|\bschrijf\b|\beindig\b|\bvoeg\b|\bherhaal\b|\bodpowied[zaj]|\bpowiedz|\bnapisz|\bzakoncz|\bdodaj\b|\bpowtorz"
    r"|ответь|отвечай|отвечать|скажи|напиши|заверш|добавь|повтори|cevap ver|yanitla|\bsoyle|\byaz\b|\bbitir|\bekle\b|\bsvara\b|\bskriv\b|\bavsluta\b|\bsvar\b|\bsig\b|\bodpove[zd]|\bodpovid|\brekni\b|\bnapis|відповідай|напиши"
    r"|اجب|قل|اكتب|اضف|जवाब|कहो|कहें|लिख|उत्तर|回答|回复|回覆|说|說|输出|輸出|写|寫|答え|返答|出力|言っ|言い|書い|대답|답변|말하|말해|출력|jawab|katakan|tra loi|\bπες\b|\bπειτε\b|απαντησ|\bkerro|\bvastaa|\bmondd|\bmondj|\bvalaszol|\bspune|\bafla\b|\braspund|\bmwambie|\bjibu\b"
)
_ANSWER_ELSEWHERE = (
    r"\bantwort(?:en)?\b|\breponses?\b|\brespuestas?\b|\brispost[ae]\b|\brespostas?\b|\bantwoord(?:en)?\b|\bodpowiedz\w*|\bответ\w*|\bcevap\w*|\byanit\w*|\bsvar(?:et|en)?\b|\bodpoved\w*|відповід\w*|اجاب|الرد|उत्तर|回答|回复|答案|応答|답변|jawaban"
)
_EACH_ELSEWHERE = (
    r"\bjede\w*|\bdeine\w*|\bihre\w*|\balle\b|\bchaque\b|\btoute?s?\b|\b[tv]os?\b|\bvotre\b|\bta\b|\bcada\b|\btod[ao]s?\b|\btus?\b|\bogni\b|\btua\b|\btutte\b|\bsua\b|\belke?\b|\bieder\w*|\bjouw\b|\buw\b|\bkazd\w+|\btwo[ji]\w*|\bсво\w+|\bкажд\w+|\bher\b|\bvarje\b"
    r"|\bditt?\b|\bkazd\w+|\bтво\w+|\bваш\w*|кожн\w+|كل|हर|所有|每|你的|您的|すべて|모든|setiap"
)
_USER_ELSEWHERE = r"benutzer|\bnutzer|utilisateur|usuario|\butente|gebruiker|uzytkownik|пользовател|kullanici|anvandare|bruger|uzivatel|користувач|المستخدم|उपयोगकर्ता|用户|用戶|使用者|ユーザー|利用者|사용자|pengguna"

_OUGHT_ELSEWHERE = r"muss|soll|bitte|doi(?:t|vent)|faut|deb[ae]n?|deve|devono|devem|moet|dient|musi|nalezy|долж|следует|meli|mali\b|maste|skal|повин|يجب|चाहिए|必须|必須|要|こと|ください|해야|하세요|harus|phai"
_ASKED_ELSEWHERE = r"gefragt|fragt|demand|pregunt|\bchied|domand|pergunt|gevraagd|vraagt|pyta|zapyt|спрос|спраш|sorul|sorar|fragar|fragas|spor|\bptat|zept|запит|سئل|पूछ|问|聞かれ|尋ね|물으|질문|ρωτα|ρωτησ|\bkysy|kerdez|\bintreab|\bkiuliz|\bakiuliza"
_ONLY_ELSEWHERE = r"\bnur\b|immer|stets|seulement|uniquement|toujours|\bsolo|unicamente|siempre|sempre|soltanto|apenas|somente|alleen|altijd|tylko|zawsze|только|всегда|sadece|\bhep\b|\bbara\b|alltid|\bkun\b|altid|\bjen\b|vzdy|лише|завжди|فقط|केवल|只|だけ|のみ|만\b|hanya|\bchi\b"

ELSEWHERE = (
    rf"^(?=.*(?:{_EACH_ELSEWHERE}).{{0,20}}(?:{_ANSWER_ELSEWHERE}).{{0,60}}(?:{_OUGHT_ELSEWHERE}))",
    rf"^.{{0,60}}(?:{_ASKED_ELSEWHERE}).{{0,80}}(?:{_SAY_ELSEWHERE})",
    rf"^\W*(?:{_SAY_ELSEWHERE})\w*.{{0,30}}(?:{_ONLY_ELSEWHERE})|(?:{_ONLY_ELSEWHERE}).{{0,30}}(?:{_SAY_ELSEWHERE})\w* ?[:„“”\"«]",
    rf"^.{{0,40}}(?:{_MACHINE_ELSEWHERE})\w* ?[:：]",
    rf"(?:{_IGNORE_ELSEWHERE})\w*.{{0,60}}?(?:{_INSTRUCTIONS_ELSEWHERE})|(?:{_INSTRUCTIONS_ELSEWHERE})\w*.{{0,30}}?(?:{_IGNORE_ELSEWHERE})",
    rf"^(?=.*(?:{_MACHINE_ELSEWHERE}))(?=.*(?:{_SAY_ELSEWHERE}|{_IGNORE_ELSEWHERE}))",
    rf"(?:{_SAY_ELSEWHERE})\w*[^.!?]{{0,60}}?(?:{_USER_ELSEWHERE})|(?:{_USER_ELSEWHERE})\w*[^.!?]{{0,30}}?(?:{_SAY_ELSEWHERE})",
    rf"^(?=.*(?:{_ANSWER_ELSEWHERE}))(?=.*(?:{_SAY_ELSEWHERE})).*?(?:{_EACH_ELSEWHERE}).{{0,20}}(?:{_ANSWER_ELSEWHERE})",
    rf"(?:^\W*|[,;:.] ?|\b(?:nur|bitte|immer|stets|seulement|toujours|solo|siempre|sempre|alleen|tylko|только|всегда|sadece|请|只)\b ?)(?:{_SAY_ELSEWHERE})\w*[^.!?]{{0,30}}?(?:{_QUOTED}|「|『|《|{_LOUD})",
)
"""Other languages, by their stems: an order of the same kinds, in words near each other."""


_HINTS = {
    "@IGNORE": "ignore ignoring disregard disregarding forget override overriding overrule bypass discard dismiss abandon aside heed heeding follow following obey obeying trust",
    "@INSTR": "instruction instructions prompt prompts directive directives rules guideline guidelines command commands",
    "@MACHINE": """ai ais llm llms language chatbot chatbots chat bot bots gpt chatgpt claude gemini assistant assistants agent agents reader readers system systems model
        models neural artificial answerer answerers summarizer summarizers summariser summarisers whoever whatever""",
    "@SAY": "say reply respond answer output print repeat recite echo state claim announce assert mention write type declare insist display",
    "@ANSWER": "answer answers reply replies response responses output outputs completion completions summary summaries translation translations",
    "@ASKER": "user users asker askers questioner questioners human humans reader readers asks ask asking",
    "@SQL": "drop delete update insert truncate alter pragma",
}
_MARKS = re.compile(r"<[|/<]|=>|\[/?(?:inst|system|assistant)|\{\{|</?[a-z_]+>", re.IGNORECASE)
_A_WORD = re.compile(r"[a-z]+")


def _with_hints(hints: str) -> frozenset[str]:
    return frozenset(word for hint in hints.split() for word in _HINTS.get(hint, hint).split())


_ENGLISH = tuple((_with_hints(hints), re.compile(rule, re.IGNORECASE)) for hints, rule in ENGLISH)


def english(unit: str) -> bool:
    """Whether a folded sentence is an order in English. A rule is tried where a word that it wants, or a mark, is there."""
    words = set(_A_WORD.findall(unit.lower()))
    if _MARKS.search(unit):
        words.add("@MARK")
    return any(not hints.isdisjoint(words) and rule.search(unit) for hints, rule in _ENGLISH)


_GROUPS = re.compile(r"\(\?:[^()]*\)\??|\[[^\]]*\]|\\[bw][*+]?")
ELSEWHERE_STEMS = tuple({stem for part in _GROUPS.sub(" ", f"{_IGNORE_ELSEWHERE}|{_SAY_ELSEWHERE}|{_MACHINE_ELSEWHERE}|{_OUGHT_ELSEWHERE}").split("|") if (stem := part.split()[0])})
"""Every rule of `ELSEWHERE` wants one of these."""


def compiled(rules: tuple[str, ...]) -> re.Pattern[str]:
    """One expression of many rules."""
    return re.compile("|".join(f"(?:{rule})" for rule in rules), re.IGNORECASE)
