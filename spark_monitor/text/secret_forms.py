"""Forms of secrets that other tools write: settings in pairs and documents, options, headers, links of services.

Of each match the first group stays and the second is the secret. Repetitions before the sign that decides are bounded: texts may
be long, and whoever wrote them chose them.
"""

from __future__ import annotations

import re
from typing import Final

_WORD = r"(?:password|passwd|passphrase|pwd|secret|token|(?:api|access|account|private|secret|storage|shared)[_.-]?key)"
_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
_MIXED = r"(?=[^\s,;\"']{0,200}[0-9])(?=[^\s,;\"']{0,200}[A-Za-z])[^\s,;\"']{8,}"
"""A word of letters and digits: what follows "token:" in prose is none."""

_SERVICES = (
    "tgram|slack|discord|msteams|workflows|rocket|rockets|mmost|mmosts|matrix|matrixs|wxteams|zulip|guilded|gchat|pover|pbul|ifttt"
    "|pagerduty|opsgenie|gotify|gotifys|twilio|sendgrid|mailgun|ses|sns|join|prowl|line|feishu|lark|wecombot|splunk|victorops"
)
"""Schemes of messengers whose whole address is a secret, as apprise writes them."""

FORMS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        # ('fs.s3a.secret.key', '...'): a setting and its value as a pair; names of columns have no dot.
        rf"(?i)(\([\"'][\w.-]{{0,200}}\.[\w.-]{{0,200}}{_WORD}[\"']\s*,\s*)({_QUOTED})",
        rf"(?i)(<(?:[\w.-]{{0,200}}{_WORD})>)([^<]+)",
        rf"(?i)(<name>[\w.-]{{0,200}}{_WORD}</name>\s*<value>)([^<]+)",
        r"(?i)(azure\.sas\.[\w.-]{1,200}\s*[=:]\s*)([^\s,;\"']+)",
        r"(?i)((?:pvt|priv|private)key=)([^&\s;,\"']+)",
        r"(?i)(credentials?_json\s*[=:]\s*)(\S+)",
        r"(?i)(identified\s+by\s+)('(?:[^']|'')*'|\"[^\"]*\")",
        # A name, then a colon or an arrow: those that say which secret with any value, others only with what looks like one.
        rf"(?i)((?:client[_.-]?secret|(?:access|refresh|auth|id|sas|api|bearer|session|security|private)[_-]token|bearer)\s*:\s*)"
        rf"({_QUOTED}|[^\s,;\"']+)",
        rf"(?i)({_WORD}[\"']?\s*[=-]>\s*)({_QUOTED}|[^\s,;\"']+)",
        rf"(?i)(\b(?:secret|token|pass)[\"']?\s*(?::|=|\sis\s)\s*)({_MIXED})",
        r"(?i)((?<!\S)(?:-u|--user|--proxy-user)[ =]\s*[\"']?[^\s:\"']{1,200}:)([^\s\"']+)",
        r"(?i)(\bauthorization\s*:\s*(?:token|api-?key|digest|negotiate|hmac|splunk|geniekey|aws4-hmac-sha256)\s+)([^\r\n\"']+)",
        r"(?i)(\b(?:set-)?cookie\s*:\s*)([^\r\n\"']+)",
        # Links by which a message is posted: whoever has one may post.
        r"(?i)(https?://[^\s\"'<>`]{1,500}?/(?:web)?hooks?/)([^\s\"'<>`]+)",
        r"(?i)(https?://[\w.-]{0,200}pagerduty\.com/integration/)([^\s\"'<>`]+)",
        rf"(?i)(\b(?:{_SERVICES})://)([^\s\"'<>`,]+)",
        # Addresses and parameters within an address.
        r"(?i)(%3A%2F%2F)((?:(?!%2F|%40)[^\s\"'<>`&]){1,500}(?=%40))",
        rf"(?i)({_WORD}%3D)((?:(?!%26|%3B)[^\s\"'<>`&])+)",
    )
)
