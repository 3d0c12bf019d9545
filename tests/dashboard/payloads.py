"""Texts that do harm wherever they are taken for something else than text."""

from itertools import product

MARK = "window.__harm=(window.__harm||0)+1"
"""What each of them does where it runs."""

_SCRIPTS = (
    f"<script>{MARK}</script>",
    f"<SCRIPT>{MARK}</SCRIPT>",
    f"<script\n>{MARK}</script\n>",
    f"<scr<script>ipt>{MARK}</scr</script>ipt>",
    f"<img src=x onerror={MARK}>",
    f"<img src=x onerror='{MARK}'>",
    f"<img/src=x/onerror={MARK}>",
    f"<svg onload={MARK}>",
    f"<svg><script>{MARK}</script></svg>",
    f"<svg><animate onbegin={MARK} attributeName=x dur=1s>",
    f"<svg><a xlink:href=javascript:{MARK}><text>x</text></a></svg>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={MARK}>",
    f"<body onload={MARK}>",
    f"<details open ontoggle={MARK}>x</details>",
    f"<input autofocus onfocus={MARK}>",
    f"<video><source onerror={MARK}></video>",
    f"<iframe srcdoc='<script>parent.{MARK}</script>'></iframe>",
    f"<iframe src=javascript:parent.{MARK}></iframe>",
    f"<object data=javascript:{MARK}></object>",
    f"<embed src=javascript:{MARK}>",
    f"<form action=javascript:{MARK}><button>go</button></form>",
    f"<a href=javascript:{MARK}>x</a>",
    f"<base href=javascript:{MARK}//>",
    f"<meta http-equiv=refresh content='0;url=javascript:{MARK}'>",
    f"<link rel=stylesheet href='data:text/css,*{{x:expression({MARK})}}'>",
    f"<style>@import 'javascript:{MARK}';</style>",
    f"<template><script>{MARK}</script></template>",
    f"<noscript><p title='</noscript><img src=x onerror={MARK}>'></noscript>",
    f"<div hx-get=/ hx-trigger=load hx-on::after-request={MARK}>x</div>",
    f"<div hx-trigger='load[{MARK}]' hx-get=/>x</div>",
    f"<div data-hx-on:click={MARK} data-hx-trigger=load>x</div>",
    f"javascript:{MARK}",
    f"data:text/html,<script>parent.{MARK}</script>",
)
_WRAPPINGS = (
    "{}",
    "\"'>{}",
    "-->{}<!--",
    "</title></script></textarea></style></template>{}",
    "'\">{}<x y='",
)
_OTHERS = (
    "{{7*7}}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "{% raw %}",
    "{{ ''.__class__.__mro__ }}",
    "&lt;script&gt;",
    "&#60;script&#62;",
    "%3Cscript%3E",
    "\\u003cscript\\u003e",
    "+ADw-script+AD4-",
    "\u202egnp.exe",
    "\u2028\u2029",
    "a\tb\nc\rd",
    "\x1b[31mred\x1b[0m",
    "\x7f\x80\x9f",
    "\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9",
    "\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3\U0001d4b3",
    "../../etc/passwd",
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "'; DROP TABLE x; --",
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "%s%(x)s%%",
    "\\",
    "'",
    '"',
    "`",
    "<",
    ">",
    "&",
    "<!--",
    "]]>",
)
PAYLOADS = sorted(
    {wrapping.format(script) for wrapping, script in product(_WRAPPINGS, _SCRIPTS)} | set(_OTHERS)
)
"""Two hundred of them."""
assert len(PAYLOADS) >= 200
