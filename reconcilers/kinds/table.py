"""Every kind of resource that is managed, in the order in which changes are told."""

from __future__ import annotations

from typing import Any

from reconcilers.kinds.account import AccountReconciler
from reconcilers.kinds.certificate import CertificateReconciler
from reconcilers.kinds.config import ConfigReconciler
from reconcilers.kinds.dkim import DkimReconciler
from reconcilers.kinds.domain import DomainReconciler
from reconcilers.kinds.layout import LayoutReconciler
from reconcilers.kinds.mailbox import MailboxReconciler
from reconcilers.kinds.manifest import ManifestReconciler
from reconcilers.kinds.readme import ReadmeReconciler
from reconcilers.reconciler import Reconciler

# Each has a type of its own for what it desires and observes; nobody outside looks into it.
RECONCILERS: tuple[Reconciler[Any], ...] = (
    LayoutReconciler(),
    AccountReconciler(),
    DkimReconciler(),
    CertificateReconciler(),
    DomainReconciler(),
    MailboxReconciler(),
    ReadmeReconciler(),
    ManifestReconciler(),
    ConfigReconciler(),
)
