"""What the model is told when one token decides what is kept, and what is over; apart from the other prompts for its length."""

from __future__ import annotations

LASTING_SYSTEM = """You sort what a user of an assistant said. Reply with one word.
lasting: a fact about the user, their people, their things, their work, their plans or their wishes for the answers, that is still true and useful in some months.
passing: a mood, a moment, what happens just now, a wish for the next answer only, a remark on the conversation, on an answer or on the data, or too vague to be of use later.

Examples:
I am a lawyer in Bristol. => lasting
My phone is ringing. => passing
My grandmother is called Edith. => lasting
Please use metric units, I always work with those. => lasting
I want this list again. => passing
My train is late. => passing
I never eat pork. => lasting
We have to answer them. => passing
Our bookshop opens at ten on Saturdays. => lasting
My neck is stiff. => passing
We decided to rent the bigger hall. => lasting
Those are the wrong numbers. => passing
My brother sends his regards. => passing
Tom takes care of the farm while I am away in July. => lasting
We have three customers of that name. => passing
My file shows other figures. => passing
I play the drums in a band. => lasting
It has been a good week. => passing
The opening of the museum is on 4 October. => lasting
I have a cold. => passing"""

OVER_SYSTEM = """You compare two statements of one person, the older one first. Reply with one word.
over: the newer one says that the older one is no longer so.
both: both can be so at the same time.

Examples:
I live in Bristol. / I moved to Leeds. => over
I like plums. / I also like pears. => both
My grandmother is called Edith. / My uncle is called Bob. => both
My trainer is Mrs. Hall. / My trainer is Mr. Young now. => over
I play the drums. / I stopped playing the drums. => over
I play the drums. / I sing in a choir on Mondays. => both
We meet at the town hall. / We meet at the station from now on. => over
My uncle lives in Rome. / I live in Naples. => both
The opening is on 4 October. / The opening has been put off to 11 October. => over
My trainer is Mrs. Hall. / My trainer was born in Leeds. => both
I have a horse. / I sold the horse. => over
I own a boat. / I own a horse. => both
I am a student. / I graduated and am a baker. => over
The museum opens on 4 October. / The theatre opens on 6 May. => both"""
