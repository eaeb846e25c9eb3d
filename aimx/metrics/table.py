"""Every metric of the engine. `docs/metrics.md` is this table, for who reads the numbers.

A process counts in its own copy of it; the supervisor adds them up. No label has an address, a
domain or anything else that a stranger chose.
"""

from __future__ import annotations

from aimx.metrics.kinds import Counter, Gauge, Histogram, Metric

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
_LONG = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_OCTETS = tuple(1024 * 4**step for step in range(9))  # Up to 64 MiB.
_CODES = (
    *("421", "450", "451", "452"),
    *("500", "501", "502", "503", "521", "550", "552", "553", "555"),
)
_ANSWERS = (
    *("sent", "TEMP", "DELIVERY", "SIGN", "MALFORMED", "DOMAIN", "BODY_TOO_LARGE", "MAILBOX"),
    *("EACCES", "IO"),
)
ROLES = ("inbound", "outbound", "placer")

# The instance.

BUILD = Gauge("aimx_build_info", "1, for the version that runs.", version=())
STARTED = Gauge("aimx_start_time_seconds", "When the supervisor began, in seconds since 1970.")
GENERATION = Gauge("aimx_generation", "The generation that was applied last.")
ENGINE_GENERATION = Gauge("aimx_engine_generation", "The generation that the processes run on.")
CONDITION = Gauge(
    "aimx_condition",
    "1 for the status that a condition has, as aimx status shows it.",
    type=(
        "Ready",
        "ManifestValid",
        "Converged",
        "EngineActive",
        "Drifted",
        "Suspended",
        "PendingApproval",
    ),
    status=("True", "False", "Unknown"),
)
APPLIES = Counter(
    "aimx_applies_total",
    "Plans that were carried out, in full or in part.",
    outcome=("complete", "incomplete"),
)
APPLYING = Histogram("aimx_apply_seconds", "How long it took to carry out a plan.", _LONG)
PLANNING = Histogram("aimx_plan_seconds", "How long it took to make the controller's plan.", _LONG)

# The processes.

PROCESSES = Gauge(
    "aimx_processes", "Processes that run, beside the supervisor.", role=(*ROLES, "planner")
)
SILENT = Gauge(
    "aimx_processes_silent", "Processes that did not answer when they were asked.", role=ROLES
)
DEATHS = Counter(
    "aimx_process_deaths_total",
    "Processes that ended unasked, and were replaced.",
    role=(*ROLES, "planner"),
)

# Who connects.

CONNECTIONS = Gauge("aimx_smtp_connections", "Clients that are connected.")
ACCEPTED = Counter("aimx_smtp_connections_accepted_total", "Clients that a process was given.")
REFUSED = Counter(
    "aimx_smtp_connections_refused_total",
    "Clients sent away at once: by which setting of [smtp], or as no process has room.",
    reason=("max_connections", "max_connections_per_ip", "no_process"),
)

# A session.

SESSIONS = Counter("aimx_smtp_sessions_total", "Clients that were greeted.")
STARTTLS = Counter(
    "aimx_smtp_starttls_total", "Sessions to be encrypted.", outcome=("encrypted", "failed")
)
REPLIES = Counter(
    "aimx_smtp_refusals_total",
    "Commands and messages that were refused, by the code of the reply.",
    code=_CODES,
)

# A message that comes in.

MESSAGES = Counter(
    "aimx_inbound_messages_total",
    "Messages that began to come, by what became of them.",
    outcome=("kept", "duplicate", "refused", "not_kept", "broken", "cut_off"),
)
SIZE = Histogram("aimx_inbound_message_bytes", "Octets of a message that came whole.", _OCTETS)
JUDGING = Histogram(
    "aimx_inbound_judging_seconds", "How long SPF, DKIM and DMARC took for a message.", _LONG
)
READING = Histogram(
    "aimx_inbound_reading_seconds", "How long it took to turn a message into Markdown.", _SECONDS
)
PLACING = Histogram(
    "aimx_inbound_placing_seconds", "How long a message waited until its copies were safe.", _LONG
)
SPF = Counter(
    "aimx_spf_verdicts_total",
    "What SPF came to.",
    result=("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"),
)
DKIM = Counter(
    "aimx_dkim_verdicts_total",
    "What all DKIM signatures of a message came to together.",
    result=("none", "pass", "fail", "temperror"),
)
DMARC = Counter(
    "aimx_dmarc_verdicts_total",
    "What DMARC came to.",
    result=("none", "pass", "fail", "temperror"),
)
TRUSTED = Counter(
    "aimx_trust_decisions_total",
    "Whether a copy of a message may fire hooks.",
    trusted=("none", "true", "false"),
)

# Names that are looked up, by inbound and by outbound.

CACHED = Counter("aimx_dns_cache_hits_total", "Look-ups that were answered from memory.")
QUERIES = Counter(
    "aimx_dns_queries_total",
    "Look-ups that were asked over the network.",
    outcome=("records", "no_record", "no_answer"),
)
ASKING = Histogram("aimx_dns_query_seconds", "How long such a look-up took.", _LONG)

# The placer.

BATCH = Histogram(
    "aimx_placing_batch_messages",
    "Messages that were made durable together.",
    (1, 2, 4, 8, 16, 32, 64, 128, 256),
)
COMMITTING = Histogram(
    "aimx_placing_batch_seconds", "How long it took to make a batch durable.", _SECONDS + _LONG[8:]
)
FLUSHING = Histogram(
    "aimx_placing_flush_seconds",
    "How long a batch waited for the disk: for files and rows, then for directories.",
    _SECONDS + _LONG[8:],
)
PLACED = Counter(
    "aimx_placing_requests_total",
    "Copies that were to be placed, by what became of them.",
    outcome=("placed", "duplicate", "failed", "full", "away", "opened", "changed"),
)

# Hooks.

FIRINGS = Counter(
    "aimx_hook_firings_total",
    "Firings, by what became of them.",
    event=("on_receive", "after_send"),
    outcome=("done", "failed", "timed_out", "not_run", "quiet"),
)
FIRING = Histogram("aimx_hook_seconds", "How long a hook ran.", _LONG)
RUNNING = Gauge("aimx_hooks_running", "Hooks that run now.")
WAITING = Gauge("aimx_hook_firings_waiting", "Firings that have not begun.")

# A message that goes out.

SUBMISSIONS = Counter(
    "aimx_submissions_total",
    "Messages that somebody here wanted sent, by the answer they got.",
    answer=_ANSWERS,
)
_WAITS = ("queued", "leaving", "deferred", "held", "unknown", "settled")
QUEUED = Gauge(
    "aimx_queue_messages",
    "Messages in the queue, each by the first of these that a recipient of it is, leaving before"
    " queued; settled: it is done, and its mailbox is still to be told.",
    state=_WAITS,
)
OLDEST = Gauge(
    "aimx_queue_oldest_seconds",
    "How long the oldest of these messages has been in the queue; 0 where there is none.",
    state=_WAITS,
)
ATTEMPTS = Counter(
    "aimx_outbound_attempts_total",
    "Attempts to deliver a message, by the worst that became of it.",
    outcome=("delivered", "deferred", "failed"),
)
RECIPIENTS = Counter(
    "aimx_outbound_recipients_total",
    "Recipients of these attempts, by what became of the message for each.",
    outcome=("delivered", "deferred", "failed"),
)
DELIVERING = Histogram(
    "aimx_outbound_delivery_seconds", "How long an attempt took, with its look-ups.", _LONG
)
SIGNING = Histogram("aimx_outbound_signing_seconds", "How long it took to sign.", _SECONDS)

METRICS: tuple[Metric, ...] = tuple(
    value for value in tuple(globals().values()) if isinstance(value, Metric)
)
