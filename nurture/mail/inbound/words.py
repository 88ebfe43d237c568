"""The words of mail systems and of people, in many languages: tables, and nothing but tables.

Kept apart because they grow by what really comes in. Every pattern is bounded: none can be made to run long.
"""

from __future__ import annotations

import re
from typing import Final


def _any(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.IGNORECASE)


FULL: Final = _any(
    r"(mailbox|mail ?box|inbox|account|user|recipient|maildir|storage|disk)[^.\n]{0,60}\b(is |was |are )?"
    r"(full|over ?quota|over (its |the |their )?(storage |disk )?(quota|limit)|exceed\w* (its |the |their )?[\w ]{0,20}(quota|storage|limit|size))",
    r"\bover ?quota\b", r"quota (is )?(exceeded|violation|has been exceeded)", r"exceed\w* (\w+ ){0,3}(disk |storage )?quota",
    r"out of (storage )?space", r"insufficient (system |disk )?(storage|space)", r"not enough (storage )?space",
    r"(space|quota) (is )?not enough", r"mailfolder is full", r"postfach (ist )?(voll|überfüllt)", r"speicherplatz", r"skrzynka[^.\n]{0,40}(pełna|przepełniona)",
    r"schránka[^.\n]{0,30}plná", r"boîte[^.\n]{0,40}pleine", r"переполнен", r"mailbox size limit", r"no space left on device",
    r"mailbox_?quota", r"\bquota\b[^.\n]{0,20}(full|exceed|reached)", r"does(n't| not) have enough space", r"too many messages on the server|full mailbox",
    r"(casilla|buz[oó]n|mailbox)[^.\n]{0,30}llen[ao]|caixa[^.\n]{0,30}cheia|casella[^.\n]{0,30}piena|postvak[^.\n]{0,30}vol\b|メールボックスが(一杯|いっぱい)|容量[^。\n]{0,12}超",
)
TOO_BIG: Final = _any(
    r"(message|mail|size|content|e-?mail)[^.\n]{0,40}(too (big|large)|(?<!queue )(?<!for )too long|exceeds (the )?(fixed |maximum |max |allowed )?[\w ]{0,20}(size|length|limit))",
    r"message size exceed|class=size\b", r"exceed(s|ed)? (the )?(maximum|max|size|fixed) [\w ]{0,20}(message )?(size|limit)", r"message file too big",
)
SPAM: Final = _any(
    r"\bspam", r"spamhaus|spamcop|barracudacentral|\bsorbs\b|\bdnsbl\b|\brbl\b|\buribl\b|\bsurbl\b", r"black.?list|block.?list|deny.?list",
    r"reputation", r"junk (mail|e-?mail)", r"unsolicited", r"content (was )?rejected", r"virus", r"(?<!not )listed (in|at|by|on) ",
)
POLICY: Final = _any(
    r"polic(y|ies)", r"\bdmarc\b|\bspf\b|\bdkim\b|unauthenticated", r"not authori[sz]ed|not permitted|not allowed to|access denied|permission denied",
    r"(has been |was |are |is |been )blocked", r"rate.?limit|too many|throttl|grey.?list|gray.?list", r"authentication required",
    r"white ?list|requires? confirmation|restricted|only accepts? (mail|messages)|members? only|not accepting (mail|messages) from", r"administrative(ly)? prohibit",
    r"tls (is )?required|must issue a starttls", r"client host rejected|sender verify failed|sender (address )?rejected",
    r"RESOLVER\.RST", r"transport rules?", r"recipient preferences", r"blocked\b[^.\n]{0,20}\bvisit", r"sender policy framework",
)
HEDGED: Final = _any(
    r"\b(may|might|could) not (exist|be (a )?valid|have permission|have been found)", r"too many (\w+ ){0,3}(recipients|users|addresses)", r"(pravděpodobně|možná) neexistuje|nemáte oprávnění",
    r"(możliwe|prawdopodobnie)[^.\n]{0,40}nie istnieje|existiert (möglicherweise|vielleicht|unter umständen) nicht|可能性があり",
)
"""Somebody who does not know either, or speaks of more than this one address."""
RELAY: Final = _any(
    r"relay(ing)?( access)?( is)? (denied|not (permitted|allowed)|prohibited)|unable to relay|not a gateway|we do not relay|relaying",
)
DISABLED: Final = _any(
    r"(account|mailbox|user|address|recipient)[^.\n]{0,50}(disabled|suspended|inactive|deactivated|(?<!envelope )expired|locked|on hold|closed|discontinued|not active|terminated)",
    r"(disabled|suspended|inactive|deactivated|discontinued) (account|mailbox|user|address|recipient)",
    r"temporarily disabled", r"deaktiviert", r"gesperrt", r"casilla[^.\n]{0,20}expirad[oa]",
)
NO_ADDRESS: Final = _any(
    r"user[^.\n]{0,40}\bunknown\b", r"unknown (local[- ]?part|user|recipient|address|mailbox|account|to address|alias|virtual)",
    r"no such (user|recipient|mailbox|address|person|account|local|email|id|name|alias|mail ?drop)",
    r"(user|mailbox|recipient|address|account|e-?mail|alias|name|inbox|box|login|rcpt|somebody)\b[^.\n]{0,120}"
    r"(does(n't| not) exist|doesnt exist|not exist|could ?n[o']t be found|(was |is |were )?not found|can(no|')t be found|does not appear"
    r"|is (not |no longer |in)valid|not (be )?recogni[sz]ed|(is )?no longer (available|valid|exists|in use|here)|not (a )?known|unavailable: not found|is unknown|not listed)",
    r"invalid (recipient|mailbox|user|address|final delivery|account|local)", r"(recipient|address|mailbox)[^.\n]{0,30}\binvalid\b",
    r"recipient[^.\n]{0,20}(unknown|not found|rejected: undeliverable)", r"(address|mailbox|recipient) (unknown|not found)",
    r"not a (known|valid|local|registered) (user|recipient|mailbox|address|account)|not a valid mailbox", r"unrouteable address|unroutable address",
    r"no (mail ?box|account|user|valid recipient|one)\b[^.\n]{0,30}(here|by that name|with that name|found|available)", r"there is no (user|account|mailbox|such)",
    r"not (our|one of our|my) (customer|user)", r"recipientnotfound|RecipNotFound|RESOLVER\.ADR\.(RecipNotFound|ExRecipNotFound|RecipientNotFound|InvalidSmtp|BadPrimary)",
    r"bad[ _](destination|recipient|address)( email)?( address)?|bad destination mailbox", r"(no|not a) match(ing)? (in|for)|not (listed )?in [\w ]{0,30}directory|not found in directory",
    r"destination (mailbox )?address (rejected|invalid|unknown)", r"user (is )?not (found|known|listed)|user name is unknown|unknown name",
    r"requested action not taken: mailbox unavailable", r"mailbox unavailable( or access denied)?( -|$| \()", r"no longer (works|employed|with)",
    r"AS\(2018062[78]\d", r"has left the (company|organi[sz]ation)", r"isn't (a |one )?\w* ?user|is not a (\w+ )?user|couldn't be delivered[^.\n]{0,60}wasn't found",
    r"wasn'?t found at|this user doesn'?t have|deliver(y|ed) to nonexistent|nonexistent|non-existent", r"message undeliverable: user|user doesn'?t",
    r"unbekannter? (empf|benutz|nutzer)|(empf(ä|ae)nger|benutzer|adresse|postfach)[^.\n]{0,60}(unbekannt|existiert nicht|nicht gefunden|nicht vorhanden|ungültig)",
    r"nie (istnieje|znaleziono)|nieznany (użytkownik|adresat|odbiorca)|(adres|odbiorca|użytkownik|konto)[^.\n]{0,40}nie istnieje",
    r"neexistuje|neznámý (uživatel|příjemce|adresát)|nebyl nalezen|nebyla nalezena",
    r"(utilisateur|destinataire|adresse|bo[iî]te)[^.\n]{0,60}(inconnue?|n'existe pas|introuvable|invalide)",
    r"не существует|неизвестн\w+ (пользоват|получат|адрес)|(пользователь|получатель|адрес|ящик)[^.\n]{0,40}(не найден|не существует|неизвест)",
    r"recipient address rejected: access denied[^\n]{0,60}protection\.outlook\.com",
    r"(usuario|destinatario) desconocido|no existe|destinatario (sconosciuto|inesistente)|utente sconosciuto|onbekende (gebruiker|ontvanger)",
    r"宛先不明|ユーザーが見つかりません|不明",
)
NO_DOMAIN: Final = _any(
    r"(host|domain)( name| or domain name|name)?(?:[^.:\n]|\.(?=\w)){0,60}(not (be )?found|unknown|does(n't| not) exist|couldn't be found|nicht gefunden|unresolvable)",
    r"name or service not known|(unknown|no such|invalid|bad|illegal) (host|domain|mail host)(?! name syntax)", r"nxdomain", r"null ?mx", r"no (mx|mail exchange|mail exchanger|a|dns)[^.\n]{0,30}(record|host|found|data)",
    r"name (service|server) error[^.\n]{0,80}(host not found|type=)", r"unrouteable (mail )?domain|all relevant mx records point to non-?existent",
    r"couldn'?t find any host (named|by that name)", r"unable to (resolve|find|lookup)[^.\n]{0,20}(host|domain|mx|dns)", r"domain (is )?(not (valid|accept)|invalid|expired)",
    r"does not accept mail", r"address lookup failed", r"indicated no smtp service|couldn'?t find a mail exchanger", r"cannot find your (hostname|domain)", r"there is no host", r"domaine? introuvable|domain existiert nicht|domena nie istnieje|doména neexistuje",
)
TRY_AGAIN: Final = _any(r"try again", r"temporar", r"name server timeout|lookup timed? ?out|dns timeout|not resolve at this time")
LOOP: Final = _any(r"too many (hops|received)", r"mail (forwarding )?loop|loops? back to|routing loop|hop count exceeded|maximum hop|mail loop", r"message looping")
EXPIRED: Final = _any(
    r"(delivery|message|retry)[^.\n]{0,40}(time ?-?out|timed out|expired|time (was )?exceeded)", r"retry (timeout|time) (exceeded|not reached for any host after)",
    r"too long|in (the )?queue (for )?too long|been in the queue|giv(e|ing) up|could not be delivered for (more than )?\d", r"unable to deliver [\w ]{0,30}for \d+ (days|hours)", r"not delivered within \d", r"have been failing for a long time",
    r"expired|abgelaufen",
)
NETWORK: Final = _any(
    r"not reachable|unreachable|connection (refused|timed? ?out|reset|lost|closed|died|failed)|conversation with|no route to host|network (is )?unreachable|host (is )?(down|unreachable)",
    r"unable to connect|couldn't connect|could not connect|connect to|timed out|no answer from host|server (is )?(busy|unavailable|down)|service (is |currently )?unavailable",
    r"did not accept our requests to connect|connection (was )?dropped|procmail: |"
    r"bad connection|deferred: |i/o error|system error|local error|configuration (error|problem)|can(no|')t create output|unable to open",
)
CONTENT: Final = _any(r"attachment|(message|mail|content)[^.\n]{0,30}(malformed|not rfc|invalid header|8 ?bit)|bare lf|header (is )?(missing|invalid)|media type")
MOVED: Final = _any(r"has (been )?moved|new address|address (has )?changed|no longer at this address|moved to")
SENDER_UNKNOWN: Final = _any(r"(sender|from|return.path|originator)[^.\n]{0,50}(domain|address)[^.\n]{0,40}(not exist|invalid|unknown|rejected|not resolve|does not)", r"domain of sender", r"sender (address )?(verif|rejected|callout|denied)|verification failed for")
DAEMON: Final = re.compile(
    r"^(mailer[-_.]?daemon|post[-_.]?(master|office)|mdaemon|mail[-_. ]?(delivery|system|daemon|administrator|router|admin)?|bounces?|mailadm|uucp|"
    r"microsoftexchange\w*|ndr|mmdf|daemon|maildaemon|mail-?deliver\w*|symantec\w*|mta|smtpd?|root|virusalert|errors?|internet-?mail\w*|admin(istrator)?)(\+|@|-|$)",
    re.IGNORECASE,
)
BOUNCE_SUBJECT: Final = re.compile(
    r"^\W*(\[?\w{0,12}\]?:? ?)?(un-?deliver(able|ed)|delivery (status )?(notification|report|fail|has failed|problem|error|delay|incomplete|reports? about)|failure notice|fail(ed|ure) (mail|delivery|notification|to deliver)|"
    r"mail (delivery|system|fail|could not|error|not delivered)|returned (mail|to sender|message)|message (undeliverable|delivery|not delivered|status|could not)|non-?deliver|"
    r"(warning|notification): ?(message|could not|delivery|mail)|could not (send|deliver)|cannot (send|deliver)|your (message|mail|e-?mail) (could|was not|has not|to)|rejected (mail|message)|"
    r"delayed mail|delivery delayed|status of your (message|mail)|bounced? ?(mail|message)?:|dsn|(e-?mail|message) (bounce|return|rejec|quarantine|block)|nondeliverable|error (sending|delivering)|"
    r"unzustellbar|nicht zustellbar|rückläufer|(fehler|fehlgeschlagen)[^\n]{0,30}zustell|zustell(ung|bericht|status|fehler)|verzögert|"
    r"niedostarcz|nie (można dostarczyć|dostarczono)|(zwrot|błąd)[^\n]{0,30}(wiadomości|poczty|dostarcz)|nie można|powiadomienie o niedostarcz|niepowodzenie|opóźnion|"
    r"nedoruč|nelze doručit|zpráv\w+ (nebyl|nemohl)|vrácen|zpoždění|oznámení o nedoručení|non (remis|distribu)|échec (de|d)|message non|avis de non|retour(né)?|courrier non|retardé|"
    r"не ?достав|недоставлен|невозможно доставить|ошибка доставки|сообщение не|уведомление о (недоставке|доставке)|задержка|"
    r"no entregado|correo devuelto|mancata consegna|messaggio non|onbestelbaar|メールエラー|kan ikke leveres|kunde inte levereras|niet (be|af)leverd|返送|配信不能)",
    re.IGNORECASE,
)
SAYS_SO: Final = re.compile(
    r"(could|can|was|were|has|have|did)( ?not|n't)( been)? be?e?n? ?(delivered|reach|deliver)|undeliverable|unable to deliver|delivery[^.\n]{0,40}(fail|abort|suspend|delay|error)|error (while )?deliver|fail\w* to deliver"
    r"|(permanent|fatal) (fatal )?errors?|not (been )?delivered|returned to sender|bounced|rejected|unknown user|user unknown|no such user|recipients? (failed|refused)|failed recipient|cannot deliver"
    r"|nicht (zugestellt|ausgeliefert)|zustellung[^.\n]{0,40}(fehl|nicht)|nie (mogła|można|została)[^.\n]{0,40}dostarcz|nepodařilo doručit|nelze doručit|nebyl[aoy]? (možné )?doruč\w+|nemohl[aoy]? být doručen|n'a pas (pu être|été)"
    r"|не (удалось|может быть|была?) достав|невозможно доставить",
    re.IGNORECASE,
)
WARNING: Final = re.compile(
    r"this is a warning (message )?only|(is|just|only) a warning|do not need to (resend|take)|no action is required|(will|still|being|to) (keep |be |continue )?(re-?try|re-?tri)|will (continue|keep)[^.\n]{0,40}(try|attempt)"
    r"|attempts? (to deliver [^.\n]{0,60})?will (continue|be made)|(has|have) not (yet )?been delivered (yet)?[^.\n]{0,40}(yet|but|delay)|not yet (been )?delivered|(message|delivery|mail)( \S+)? (has been |is |was |is being )?(delayed|temporarily suspended)"
    r"|delayed (by )?(for )?\d+ hours|delivery[^.\n]{0,40}has been delayed|temporary problem delivering|temporarily deferred|will retry for|still in the queue"
    r"|verzögert|noch nicht zugestellt|weitere (zustell)?versuche|opóźnion|nie została jeszcze|ponowi|zpožd|dosud nebyla|bude (se )?(opakov|pokouš)|retardée?|n'a pas encore|nouvelles? tentatives?|задерж|пока не (была )?достав|отложен"
    r"|repeat(ed)? attempts will",
    re.IGNORECASE,
)
OVER: Final = re.compile(
    r"permanent(ly)? (fatal )?(error|fail)|giv(e|en|ing) up|will not be (retried|attempted)|no further (attempts|delivery)|has failed|i'm not going to try|have been trying|stopped trying"
    r"|endgültig|aufgegeben|could not be delivered for",
    re.IGNORECASE,
)
ADDRESS_LINE: Final = re.compile(
    r"^[ \t>*]*(?:[45]\d\d[ -](?:[45]\.\d\.\d{1,3} )?)?(?:(?:final[- ]recipient|original[- ]recipient|recipient|failed recipient|intended recipient|rcpt to|to|unknown user|user|undeliverable address|an|do|komu|à|кому|адресат)(?:\s*[:;=]\s*|\s+)(?:rfc822;\s*)?)?"
    r"[<\"'(\[]?([^\s<>\"'(),;:\[\]]{1,64}@[A-Za-z0-9._\u0080-\uffff-]{3,253})[>\"')\]]?(?=$|[\s:.,;>)])",
    re.IGNORECASE,
)
BEFORE_RECIPIENT: Final = re.compile(
    r"in reply to (?:the )?(?:mail from|helo|ehlo|greeting|initial)|after (?:mail from|helo|ehlo|starttls|initial connection)\b|>>> (?:mail from|ehlo|helo)[^\n]{0,300}\n[ \t]*<<< [45]",
    re.IGNORECASE,
)
AFTER_DATA: Final = re.compile(r"in reply to (?:the )?end of data|after (?:the )?end of data", re.IGNORECASE)
SPOKEN: Final = (
    re.compile(r"^[ \t]*\(reason: ([^\n]{4,300}(?:\n[ \t]+[^\n]{1,200})?)\)[ \t]*$", re.MULTILINE),
    re.compile(r"^[ \t]*<<< ([45]\d\d[ -][^\n]{1,300})$", re.MULTILINE),
    re.compile(r"(?<![\d.\-/:#(\w])([45][0-5]\d[ -][^\n]{3,300}(?:\n(?![ \t]*(?:\n|[2-5]\d\d[ -]|<<<|>>>|--))[^\n]{1,200})?)"),
    re.compile(r"(?<![\d.\-/:(\w])([45]\.\d\.\d{1,3} [^\n]{3,300})"),
)
"""Where prose quotes the other server, the surest sign first."""
AUTOMATIC_FIELDS: Final = (
    "X-Autoreply", "X-Auto-Reply", "X-Autorespond", "X-Autoreply-From", "X-AutoReply-From", "X-Mail-Autoreply", "X-Autogenerated", "X-Autoresponder",
    "X-FC-MachineGenerated", "X-Facebook-Notify", "Autosubmitted", "X-Vacation", "X-Amavis-Alert", "X-Auto-Submitted", "X-Loop-Autoreply",
)
AWAY_SUBJECT: Final = re.compile(
    r"^\W*(auto(matic|matische|mated|matisk)?[- ]?(reply|response|re|antwort|svar|svar:|respond\w*|antwoord)(?=\W*$|\s*[:(\[!.–-]|\s+(from|to|re)\b)|out[- ]of[- ](the[- ])?office|ooo\b|(i am |i'm )?(currently )?(away|out) (from|of) (the |my )?(office|desk|mail)|[^\n:]{0,80}\bis (currently )?(out of|away from) (the |my )?office|vacation (reply|message|notice|auto)|on (annual |maternity |parental )?leave(?=\W*$|\W+(until|till|from|to|\d))"
    r"|automatische antwort|abwesenheits|abwesend|abwesenheit\b|nicht im (büro|haus)|ich bin (derzeit |zurzeit |bis )?(nicht|abwesend|im urlaub)|im urlaub|eingangsbestätigung"
    r"|odpowied[źz] automatyczna|automatyczna odpowied[źz]|autoodpowied|nieobecn|poza biurem|jestem (na urlopie|nieobecn|poza)|urlop(?=\W*$|\W+(do|od|w dniach|\d))"
    r"|automatick[áa] odpov[ěe][ďd]|mimo kancel[áa][řr]|nep[řr][íi]tomn|dovolen[áa](?=\W*$|\W+(do|od|\d))|jsem (mimo|na dovolen)"
    r"|r[ée]ponse automatique|absence( du| au)? ?(\d|:|jusqu)|absente? (du|jusqu)|message d'absence|en cong[ée]s?|avis d'absence|absence du bureau"
    r"|автоматический ответ|автоответ|(я )?(временно )?отсутствую|отсутствует в офисе|нет на месте|меня нет|в отпуске|автоматичн|я в отпуске"
    r"|respuesta autom[áa]tica|fuera de (la )?oficina|risposta automatica|fuori (sede|ufficio)|automatisch antwoord|afwezig|autosvar|frånvaro|resposta autom[áa]tica|ausente|自动回复|自動返信|不在)",
    re.IGNORECASE,
)
NOBODY: Final = re.compile(r"^(no[-_.]?reply|do[-_.]?not[-_.]?reply|donotreply|autoreply|auto-?responder|notifications?|alerts?|mailer-daemon|postmaster|bounces?|listserv|majordomo)(\+|@|-)", re.IGNORECASE)
MONTHS: Final = {
    name: n
    for n, names in enumerate(
        (
            "january jan januar jänner stycznia ledna janvier января", "february feb februar lutego února février fevrier февраля", "march mar märz maerz marca března mars марта",
            "april apr kwietnia dubna avril апреля", "may mai maja května мая", "june jun juni czerwca června juin июня", "july jul juli lipca července juillet июля",
            "august aug sierpnia srpna août aout августа", "september sep sept września září septembre сентября", "october oct oktober okt października října octobre октября",
            "november nov listopada listopadu novembre ноября", "december dec dezember dez grudnia prosince décembre decembre декабря",
        ),
        1,
    )
    for name in names.split()
}
UNTIL: Final = (
    r"(?:until|till|through|thru|to|back (?:on|in the office on)|return(?:ing|s)? (?:on|to (?:the )?office on)|bis(?: zum| einschl\w*)?|wieder (?:ab|am)|ab dem|do(?: dnia)?|wracam|wrócę|od|zpět|"
    r"jusqu['’]au|de retour le|по|до|с|buďte|hasta|fino al|tot)"
)
WEEKDAY: Final = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,?\s+|(?:mo|diens|mitt|donners|frei|sams|sonn)\w*,?\s+|(?:le|the|dem|den|dnia)\s+)?"
RETURN_DATES: Final = (
    (re.compile(rf"\b{UNTIL}\s+{WEEKDAY}(\d{{4}})-(\d{{1,2}})-(\d{{1,2}})\b", re.IGNORECASE), "ymd"),
    (re.compile(rf"\b{UNTIL}\s+{WEEKDAY}(\d{{1,2}})\.\s?(\d{{1,2}})\.\s?(\d{{4}})?", re.IGNORECASE), "dmy"),
    (re.compile(rf"\b{UNTIL}\s+{WEEKDAY}(\d{{1,2}})(?:st|nd|rd|th|\.|er)?\s+(?:of\s+)?([^\W\d]{{3,12}})\.?,?(?:\s+(\d{{4}}))?", re.IGNORECASE), "dMy"),
    (re.compile(rf"\b{UNTIL}\s+{WEEKDAY}([^\W\d]{{3,12}})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(\d{{4}}))?\b", re.IGNORECASE), "Mdy"),
)
QUOTE: Final = re.compile(
    r"^\s*(-{2,}\s*(original message|ursprüngliche nachricht|oryginalna wiadomość|wiadomość oryginalna|původní zpráva|message d'origine|исходное сообщение|forwarded message|mensaje original|messaggio originale)|_{20,}\s*$"
    r"|(on|am|w dniu|dnia|dne|le|el|il|op|den|\d{1,2}[./]\d{1,2}[./]\d{2,4})\b.{4,200}(wrote|schrieb|napisał\w*|pisze|napsal\w*|a écrit|написал\w*|escribió|ha scritto|schreef|skrev)\b.{0,80}:?\s*$"
    r"|(from|von|od|de|от|da|van)\s*:\s.{3,200}$)",
    re.IGNORECASE,
)
SIGNATURE: Final = re.compile(r"^(-- ?$|_{5,}$|sent from my \w+|von meinem \w+ gesendet|wysłane z|odesláno z|envoyé de mon|отправлено с).*$", re.IGNORECASE)
STOP_WORDS: Final = (
    r"unsubscribe( me)?|remove (me|my (e-?mail|address))|(stop|remove)(?=[ \t.!]*(?:\n|$))|stop (sending|e-?mailing|mailing|writing)|opt[- ]?out|take me off|no more (e-?mails?|mails?|newsletters?)|abmelden|abmeldung|austragen|abbestellen|bitte (mich )?(abmelden|austragen|entfernen|löschen)|kein(e)? (newsletter|mails?)( mehr)?"
    r"|wypisz( mnie)?|wypisać|rezygnuj[ęe] z (newsletter|subskrypcj|otrzymywan|mailing)\w*|rezygnuj[ęe](?=[ \t.!]*(?:\n|$))|proszę (o )?(mnie )?(wypisa\w+|usun\w+)|usuńcie mnie|odhlásit|odhlaste( mě)?|prosím o odhlášení|prosím odhl\w+|nezasílejte|nechci (dostávat|odebírat)[\w ]{0,30}"
    r"|d[ée]s(abonner|abonnez( moi|-moi)?|inscrire|inscrivez(-moi)?|inscription)|me d[ée]sabonner|отписаться|отпишите( меня)?|удалите меня|отписка|отказаться от рассылки|darme de baja|cancellami|uitschrijven|avregistrera"
)
STOP: Final = re.compile(rf"^\W*((hi|hello|dear \w+|hallo|dzień dobry|dobrý den|bonjour|здравствуйте)\W+)?((please|pls|kindly|bitte|proszę|prosím|merci de|пожалуйста)\W+)?({STOP_WORDS})(?!\w)", re.IGNORECASE)
SPEAKS_OF_IT: Final = re.compile(rf"\b({STOP_WORDS})(?!\w)", re.IGNORECASE)
ANSWER_SUBJECT: Final = re.compile(r"^\s*((re|aw|odp|sv|antw|fwd?|wg|tr)(\[\d+\])?\s*:\s*)+", re.IGNORECASE)
STOP_SUBJECT: Final = re.compile(rf"^\W*((please|bitte|proszę|prosím|пожалуйста)\W+)?({STOP_WORDS})(\W+(from )?(the |this |all )?(newsletter|list|mailing list|e-?mails?|mails?))?(\W+(please|bitte|proszę|prosím|thanks|thank you))?\W*([a-z2-7]{{45,60}})?\W*$", re.IGNORECASE)
ORIGINAL_MARK: Final = re.compile(
    r"^[ \t>]{0,20}(-{2,60}[^\n]{0,20}(copy of|original|returned|message header|unsent|begin|headers? of|below this line)[^\n]{0,60}"
    r"|(original|unsent|returned) message (follows|headers?|text|below)[^\n]{0,40}|[- ]{0,60}message header[^\n]{0,20}"
    r"|(return-path|received):[ \t]?[a-z<(\[][^\n]{0,200}"
    r"|original message headers?:?|ursprüngliche nachricht[^\n]{0,20}|oryginalna wiadomość[^\n]{0,20}|message d'origine[^\n]{0,20})[ \t]{0,20}$",
    re.IGNORECASE | re.MULTILINE,
)
COMPLAINT_SUBJECT: Final = re.compile(r"^\W*(complaint about message from|(abuse|spam|fbl|feedback) (complaint|report)|email feedback report|junk mail report)", re.IGNORECASE)
CHALLENGE: Final = re.compile(
    r"this (account|mailbox|address) is protected by|(added|add you) to (the |my )?(recipient's )?(allowed|approved|guest|safe)[- ](senders? )?list|(confirm|verify|prove) that you are (a )?(real |human|person)",
    re.IGNORECASE,
)
"""Programs that ask a sender to prove something before a person gets to read the mail."""
AWAY_TEXT: Final = re.compile(
    r"\b(this is an? )?(auto(mated|matic|matically|generated)|system)[- ](generated )?(response|reply|answer|message)\b|^\W*(hello|hi|dear \w+|thank you[^.\n]{0,60})?\W*i('m| am| will be) (currently )?(out of (the )?office|on (annual |parental |maternity |sick )?leave|on vacation|on holidays?)\b"
    r"|automatische (antwort|nachricht|e-?mail)|automatisch (generiert|erstellt)|wiadomość (została )?(wygenerowana )?automatyczn|automatická (zpráva|odpověď)|(réponse|message) (automatique|généré automatiquement)|автоматическ\w+ (ответ|сообщени)",
    re.IGNORECASE,
)
