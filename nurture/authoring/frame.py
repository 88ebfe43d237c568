"""The frame of a new company's mails: one column for phones, light and dark, right to left, five languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_HTML: Final = """\
<!DOCTYPE html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{ subject }}</title>
<style>
body { margin: 0; padding: 0; width: 100%; background-color: #f2f3f5; color: #22272e; font-family: -apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif; -webkit-text-size-adjust: 100%; }
.preheader { display: none; max-height: 0; overflow: hidden; mso-hide: all; }
.page { width: 100%; background-color: #f2f3f5; border-collapse: collapse; }
.frame { padding: 24px 12px 32px 12px; }
.card { width: 100%; max-width: 600px; margin: 0 auto; background-color: #ffffff; border-top: 4px solid #2456c4; border-collapse: collapse; }
.brand { padding: 24px 36px 0 36px; font-size: 16px; line-height: 24px; font-weight: 700; }
.brand a { color: #1d3f8f; text-decoration: none; }
.copy { padding: 12px 36px 28px 36px; font-size: 16px; line-height: 26px; color: #22272e; overflow-wrap: anywhere; word-break: break-word; }
.copy h1 { margin: 10px 0 16px 0; font-size: 26px; line-height: 33px; color: #14181f; }
.copy h2 { margin: 24px 0 8px 0; font-size: 18px; line-height: 26px; color: #14181f; }
.copy p { margin: 0 0 16px 0; }
.copy a { color: #1d4fbf; text-decoration: underline; }
.copy ul, .copy ol { margin: 0 0 16px 0; padding: 0 24px 0 24px; }
.copy li { margin: 0 0 8px 0; }
.copy blockquote { margin: 18px 0 20px 0; padding: 14px 18px 1px 18px; background-color: #eef2fb; border-left: 4px solid #2456c4; color: #22272e; }
.copy img { max-width: 100%; height: auto; border: 0; }
.copy pre { margin: 0 0 16px 0; padding: 12px 14px; background-color: #f2f3f5; font-size: 14px; line-height: 21px; white-space: pre-wrap; }
.copy hr { height: 1px; margin: 24px 0; border: 0; background-color: #dcdfe4; }
.copy table { width: 100%; margin: 0 0 18px 0; border-collapse: collapse; font-size: 15px; line-height: 22px; }
.copy th { padding: 7px 8px 7px 0; border-bottom: 2px solid #c6ccd6; text-align: left; vertical-align: bottom; }
.copy td { padding: 8px 8px 8px 0; border-bottom: 1px solid #dcdfe4; text-align: left; vertical-align: top; }
.copy p > strong:only-child > a:only-child { display: inline-block; padding: 12px 24px; background-color: #2456c4; border-radius: 6px; color: #ffffff; line-height: 22px; text-decoration: none; }
.foot { width: 100%; max-width: 600px; margin: 0 auto; border-collapse: collapse; }
.small { padding: 20px 36px 0 36px; font-size: 13px; line-height: 20px; color: #535b67; }
.small p { margin: 0 0 10px 0; }
.small a { color: #3d4654; text-decoration: underline; }
</style>
<style data-css-inline="keep">
:root { color-scheme: light dark; supported-color-schemes: light dark; }
[dir=rtl] th, [dir=rtl] td { text-align: right !important; }
[dir=rtl] blockquote { border-left: 0 !important; border-right: 4px solid #2456c4 !important; }
@media (max-width: 620px) {
  .page, .card { table-layout: fixed !important; }
  .frame { padding: 0 0 24px 0 !important; }
  .brand { padding: 20px 20px 0 20px !important; }
  .copy { padding: 10px 20px 22px 20px !important; font-size: 17px !important; line-height: 27px !important; }
  .copy table { display: block !important; overflow-x: auto !important; font-size: 14px !important; }
  .copy th, .copy td { overflow-wrap: break-word !important; word-break: normal !important; }
  .copy p > strong:only-child > a:only-child { display: block !important; text-align: center !important; }
  .small { padding: 20px 20px 0 20px !important; }
}
@media (prefers-color-scheme: dark) {
  body, .page { background-color: #101318 !important; }
  .card { background-color: #1b2028 !important; border-top-color: #8fb0ff !important; }
  .brand a { color: #d3dfff !important; }
  .copy, .copy td, .copy blockquote { color: #dfe3ea !important; }
  .copy h1, .copy h2, .copy th { color: #f5f7fa !important; }
  .copy a { color: #a3beff !important; }
  .copy blockquote, .copy pre { background-color: #262d38 !important; }
  .copy hr { background-color: #3b4453 !important; }
  .copy th, .copy td { border-bottom-color: #3b4453 !important; }
  .copy p > strong:only-child > a:only-child { background-color: #8fb0ff !important; color: #0d1524 !important; }
  .small { color: #aab3c0 !important; }
  .small a { color: #c9d1dd !important; }
}
</style>
</head>
<body>
<div class="preheader">{{ preheader }}</div>
<div role="article" aria-roledescription="email" aria-label="{{ subject }}" lang="{{ language }}">
<table class="page" role="presentation"><tr><td class="frame" align="center">
<table class="card" role="presentation" align="center">
<tr><td class="brand"><a href="{{ company.website }}">{{ company.name }}</a></td></tr>
<tr><td class="copy" align="left">
{{ content }}
</td></tr>
</table>
<table class="foot" role="presentation" align="center">
<tr><td class="small" align="left">
<p>{{ reason }}</p>
{% if language == 'pl' %}
<p><a href="{{ unsubscribe_url }}">Wypisz się</a> &nbsp; <a href="{{ preferences_url }}">Wybierz tematy lub zrób przerwę</a></p>
{% elif language == 'cs' %}
<p><a href="{{ unsubscribe_url }}">Odhlásit odběr</a> &nbsp; <a href="{{ preferences_url }}">Vybrat témata nebo přestávku</a></p>
{% elif language == 'de' %}
<p><a href="{{ unsubscribe_url }}">Abmelden</a> &nbsp; <a href="{{ preferences_url }}">Themen wählen oder pausieren</a></p>
{% elif language == 'ru' %}
<p><a href="{{ unsubscribe_url }}">Отписаться</a> &nbsp; <a href="{{ preferences_url }}">Выбрать темы или сделать паузу</a></p>
{% else %}
<p><a href="{{ unsubscribe_url }}">Unsubscribe</a> &nbsp; <a href="{{ preferences_url }}">Choose topics or take a break</a></p>
{% endif %}
<p>{{ company.legal_name }}, {{ company.postal_address }}</p>
</td></tr>
</table>
</td></tr></table>
</div>
</body>
</html>
"""
_TEXT: Final = """\
{{ content }}

----------------------------------------------------------------------
{{ reason }}

{% if language == 'pl' %}Wypisz się: {{ unsubscribe_url }}
Wybierz tematy lub zrób przerwę: {{ preferences_url }}
{% elif language == 'cs' %}Odhlásit odběr: {{ unsubscribe_url }}
Vybrat témata nebo přestávku: {{ preferences_url }}
{% elif language == 'de' %}Abmelden: {{ unsubscribe_url }}
Themen wählen oder pausieren: {{ preferences_url }}
{% elif language == 'ru' %}Отписаться: {{ unsubscribe_url }}
Выбрать темы или сделать паузу: {{ preferences_url }}
{% else %}Unsubscribe: {{ unsubscribe_url }}
Choose topics or take a break: {{ preferences_url }}
{% endif %}
{{ company.legal_name }}, {{ company.postal_address }}
"""
LAYOUTS: Final[Mapping[str, str]] = {"templates/_base.html": _HTML, "templates/_base.txt": _TEXT}
"""A frame with everything the law and receivers want to see, for a folder that has none yet."""
