"""The benchmark's mail: about 7 KB of HTML and 1 KB of text, twelve links, five personal words, one condition."""

from __future__ import annotations

STYLE = """body { margin: 0; background: #f2f4f8; font-family: Helvetica, Arial, sans-serif; color: #1b2a44; }
table { border-collapse: collapse; } .page { width: 100%; background: #f2f4f8; padding: 20px 0; }
.card { width: 600px; margin: 0 auto; background: #ffffff; border-radius: 8px; } .copy { padding: 22px 30px; }
h1 { font-size: 23px; line-height: 30px; margin: 0 0 14px 0; color: #10408f; }
p { font-size: 16px; line-height: 24px; margin: 0 0 14px 0; } a { color: #1450b8; }
.button { display: inline-block; background: #1450b8; color: #ffffff; padding: 12px 22px; border-radius: 5px; }
.item td { border-top: 1px solid #dde3ec; padding: 11px 0; font-size: 14px; line-height: 20px; }
.small { color: #66748c; font-size: 12px; line-height: 18px; }"""

ITEMS = (
    ("inventory", "Count what you have", "A list of every phone and tablet, who holds it, when it was last updated."),
    ("lost-device", "Prepare for a lost one", "Lock and wipe in minutes, with a person on call who knows how."),
    ("updates", "Retire what is too old", "Decide the day on which a device without updates stops getting mail."),
    ("apps", "Keep a short list of apps", "What people need for work, and a quick way to ask for more."),
    ("sign-in", "Ask twice at the door", "A second factor for mail and files, and none for the lunch menu."),
)
ROWS = "".join(
    f'<tr class="item"><td width="72%"><a href="https://www.example.com/read/{slug}?utm_source=mail&amp;utm_campaign=n">'
    f'{title}</a><br>{text}</td><td width="28%" align="right">{5 + i} minutes</td></tr>'
    for i, (slug, title, text) in enumerate(ITEMS)
)
FILLER = (
    "The plan has three parts. In the first you find out which devices reach company mail at all; most teams are "
    "surprised by a third of them. In the second you choose what each group of people really needs, in words that fit "
    "on one page. In the third you write down who does what when something goes wrong, and try it once on a quiet "
    "afternoon, while there is still time to change the plan and nobody has to hurry."
)
HTML = f"""<!DOCTYPE html><html lang="{{{{ language }}}}"><head><meta charset="utf-8"><title>{{{{ subject }}}}</title>
<style>{STYLE}</style></head><body><div style="display:none">{{{{ preheader }}}}</div>
<table class="page" role="presentation"><tbody><tr><td><table class="card" role="presentation" align="center"><tbody>
<tr><td class="copy"><a href="https://www.example.com/">{{{{ company.name }}}}</a></td></tr><tr><td class="copy">
<h1>Hello {{{{ lead.first_name | default('there', true) }}}}, ten minutes for
{{{{ lead.company | default('your team', true) }}}}</h1>
<p>You told us that you care about {{{{ lead.interest | default('security', true) }}}}, so here is a short plan that
takes ten minutes to read. {FILLER}</p>
{{% if lead.city %}}<p>We are in {{{{ lead.city }}}} next month:
<a href="https://www.example.com/dates?c=1">see the dates</a>.</p>{{% endif %}}
<p><a class="button" href="https://www.example.com/start?utm_source=mail&amp;utm_campaign=n">Read the plan</a></p>
<p>{FILLER}</p><table role="presentation" width="100%"><tbody>{ROWS}</tbody></table>
<p>Rather see it than read it? The <a href="https://www.example.com/demo">recorded demo</a> takes eleven minutes, the
<a href="https://www.example.com/compare">comparison</a> answers what we are asked most, and the
<a href="https://www.example.com/sheet">sheet</a> has room for {{{{ lead.team_size | default('all', true) }}}}
people.</p>
<p>{{{{ sender.name }}}}</p></td></tr><tr><td class="copy small">{{{{ reason }}}} {{{{ company.legal_name }}}},
{{{{ company.postal_address }}}}. <a href="https://www.example.com/privacy">Privacy</a>
<a href="{{{{ preferences_url }}}}">Preferences</a> <a href="{{{{ unsubscribe_url }}}}">Unsubscribe</a></td></tr>
</tbody></table></td></tr></tbody></table></body></html>
"""
TEXT = """Hello {{ lead.first_name | default('there', true) }}, ten minutes for
{{ lead.company | default('your team', true) }}

You told us that you care about {{ lead.interest | default('security', true) }}, so here is a short plan that takes
ten minutes.

Read the plan: https://www.example.com/start?utm_source=mail&utm_campaign=n
Recorded demo: https://www.example.com/demo
{% if lead.city %}
We are in {{ lead.city }} next month: https://www.example.com/dates?c=1
{% endif %}
Three parts: which devices reach company mail, what each group of people needs, who does what when something goes wrong.

{{ sender.name }}
--
{{ reason }}
{{ company.legal_name }}, {{ company.postal_address }}
Preferences: {{ preferences_url }}
Unsubscribe: {{ unsubscribe_url }}
"""
SUBJECT = "{{ lead.first_name | default('Hello', true) }}, your plan for the next ten minutes"
