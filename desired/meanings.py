"""What each key of the manifest means, as an editor shows it.

A key that is a table has no line here: its definition in the schema says what the table is.
"""

from __future__ import annotations

from collections.abc import Mapping

_TRUST = "`verified`: mail of the trusted senders may fire hooks, if its signature holds."
_SENDERS = "Whom to trust: globs over the whole address of the author, such as `*@example.com`."
_SIGNATURE = "What is put below every message that is sent; empty for nothing."
_SELECTOR = "Which of the domain's DKIM keys signs."
_BIND = "Where to listen, each as `address:port` or `[address]:port`."

# By table, as the schema's definitions are called, then by key.
MEANINGS: Mapping[str, Mapping[str, str]] = {
    "ManifestTable": {
        "domains": "The domains, the default one first: bare local parts mean it.",
        "domain": "What holds for one domain, by its name; or the one domain of an older manifest.",
        "trust": _TRUST,
        "trusted_senders": _SENDERS,
        "dkim_selector": _SELECTOR,
        "signature": _SIGNATURE,
        "enable_ipv6": "Whether mail is also sent over IPv6.",
        "verify_host": "A service that probes port 25 from outside.",
        "data_dir": "Where the mail is, unless a flag or a variable says so (older manifests).",
        "mailboxes": "The mailboxes, by address; `*@example.com` takes what no other does.",
        "identities": "Who may use mailboxes over HTTPS, by a short name.",
        "moved": "Mailboxes that got another address, with their mail.",
        "removed": "Mailboxes that are gone on purpose.",
    },
    "Lifecycle": {"protect": "Whether it stays until a manifest that says `false` was applied."},
    "Dkim": {
        "algorithms": "Which algorithms sign, each with a key and a selector of its own.",
        "rotate_every": "How old a key becomes until the status says that one is due; empty: any.",
    },
    "DomainTable": {
        "trust": _TRUST,
        "trusted_senders": f"{_SENDERS} Replaces the top level's.",
        "signature": _SIGNATURE,
        "dkim_selector": _SELECTOR,
    },
    "HookTable": {
        "event": "What it runs on.",
        "cmd": "The command: an absolute path and its arguments. The mail is piped to it.",
        "name": "What it is called, unlike any other; without one, what it does names it.",
        "timeout_secs": "After how many seconds it is stopped.",
        "fire_on_untrusted": "Whether it also runs for mail that is not trusted.",
        "fire_on_automated": "Whether it also runs for bounces, lists and automatic answers.",
        "type": "`cmd`; there is no other.",
    },
    "LimitsTable": {
        "sends_per_day": "How many messages within 24 hours.",
        "new_recipients_per_day": "To how many it may write for the first time within 24 hours.",
        "replies_per_thread_per_hour": "How often in an hour one peer fires a hook in one thread.",
    },
    "MailboxTable": {
        "owner": "The Linux user whose mail it is.",
        "address": "The address, where the key is not it (older manifests).",
        "trust": _TRUST,
        "trusted_senders": f"{_SENDERS} Replaces what the domain or the top level says.",
        "hooks": "Commands that run on its mail.",
        "aliases": "Other addresses that lead to it.",
        "allow_root_catchall": "Whether this catchall may belong to root.",
    },
    "WebhookTable": {"url": "The URL that is posted to.", "events": "Which events are posted."},
    "IdentityTable": {
        "name": "What it is called among people.",
        "url": "Where it is at home.",
        "mailboxes": "The mailboxes that it may use.",
    },
    "SmtpTable": {
        "bind": _BIND,
        "hostname": "The name that it greets with; the default domain where none is given.",
        "workers": "How many processes receive.",
        "max_message_size": 'The largest message: octets, or a size such as "25MiB".',
        "max_text_line": "The longest line of a message, with its end; at least 1000 octets.",
        "max_command_line": "The longest command, with its end; four times that with SMTPUTF8.",
        "max_errors": "How many refusals a client is told before it is sent away.",
        "max_recipients": "How many recipients one message may have.",
        "max_connections": "How many clients at a time.",
        "max_connections_per_ip": "How many clients at a time from one address.",
        "idle_timeout": "How long a client may be silent.",
        "data_timeout": "How long a message may take to arrive.",
        "subaddress": "What separates a local part from its detail (`info+list`); empty for none.",
        "dmarc": "Whether a failed DMARC check is recorded, or the message refused.",
        "keep_raw": "Whether each message is also kept as it came.",
    },
    "AcmeTable": {
        "directory": "The authority's directory URL.",
        "email": "Whom the authority writes to.",
    },
    "TlsTable": {
        "mode": "Where the certificate comes from; `off` for no STARTTLS.",
        "cert": "The file of the certificate with its chain, for `files`.",
        "key": "The file of the private key, for `files`.",
    },
    "OutboundTable": {
        "mode": "`direct` delivers at once or says why not; `queue` tries again later.",
        "port": "The port of the hosts that take the mail.",
        "relay": "A host that takes all mail, as `smtps://user@host:465` or `host:25`; otherwise"
        " it goes to those that the DNS names.",
        "relay_password": "Where the password is: `file:/etc/aimx/relay.password` or `env:NAME`.",
        "timeout": "How long a host may take to answer.",
        "max_age": "How long it is tried before the message bounces.",
    },
    "DnsTable": {
        "resolvers": "Whom to ask, each as `address:port`; the system's where none is given.",
        "timeout": "How long an answer may take.",
        "provider": "Who publishes the records.",
        "settings": "What that provider needs to know.",
    },
    "HttpTable": {
        "bind": _BIND,
        "acl": "The networks that may connect; all where none is given.",
        "rate_per_minute": "How many requests in a minute from one client.",
        "trusted_proxies": "The networks whose word about a client's address counts.",
        "pair_scheme": "The URL scheme of invite links.",
    },
    "ControllerTable": {
        "debounce": "How long a change must rest before it is read.",
        "resync": "How often it is looked at without a change.",
        "auto_apply": "What is applied without being asked; `safe` withholds removals.",
        "source": "A Git ref that the manifest comes from.",
        "signers": "Whose signature a commit needs.",
    },
    "SelfServiceTable": {
        "enabled": "Whether agents may declare mailboxes for themselves.",
        "domains": "In which domains; the default one where none is given.",
        "max_per_owner": "How many mailboxes one Linux user may have this way.",
    },
    "PolicyTable": {
        "drift": "Whether what changed behind our back is repaired, or reported.",
        "max_removals": "How many removals one plan may have.",
        "tombstone_retention": "How long mail of a removed mailbox stays; `keep` for ever.",
        "max_signature_age": "How old a signature may be and still make mail trusted.",
        "keep_generations": "How many generations stay on record.",
    },
    "MetricsTable": {"bind": "Where they are read; empty for nowhere."},
    "LogTable": {
        "level": "The least that is worth a line.",
        "format": "For programs or for people.",
    },
    "UsersTable": {
        "inbound": "Who receives.",
        "outbound": "Who sends, and holds the DKIM keys.",
        "http": "Who serves HTTP.",
        "git": "Who reads the Git ref.",
    },
    "UpgradeTable": {"release_manifest_url": "Without meaning here (older manifests)."},
    "MovedTable": {
        "from": "The mailbox as it was: `mailbox/info@example.com`.",
        "to": "The mailbox as it is now.",
    },
    "RemovedTable": {
        "address": "The mailbox: `mailbox/info@example.com`.",
        "data": "Whether its mail is set aside, or deleted.",
    },
}
