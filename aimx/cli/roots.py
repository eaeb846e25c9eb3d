"""Which instance a command means: flags win over variables, variables over the defaults."""

from __future__ import annotations

import os

from aimx.cli import terminal
from aimx.cli.options import Options
from aimx.doors.exits import Exit

_DEFAULTS = {
    "config_dir": ("AIMX_CONFIG_DIR", "/etc/aimx"),
    "data_dir": ("AIMX_DATA_DIR", "/var/lib/aimx"),
    "runtime_dir": ("AIMX_RUNTIME_DIR", "/run/aimx"),
}


def chosen(options: Options) -> dict[str, str]:
    """The directories and the manifest as absolute paths, by the names that a frame uses."""
    found = {
        name.replace("_", "-"): absolute(
            getattr(options, name, None) or os.environ.get(variable) or default
        )
        for name, (variable, default) in _DEFAULTS.items()
    }
    manifest = getattr(options, "manifest", None) or os.environ.get("AIMX_MANIFEST")
    found["manifest"] = absolute(manifest or os.path.join(found["config-dir"], "manifest.toml"))
    return found


def data_is_chosen(options: Options) -> bool:
    """Whether somebody named the data directory; else a manifest of the older system may."""
    return bool(getattr(options, "data_dir", None) or os.environ.get("AIMX_DATA_DIR"))


def are_ours(options: Options) -> bool:
    """Whether we are root, or who runs this instance rootless: whose the manifest's place is.

    A place that is not there is nobody's, and what is missing is told by whoever looks for it.
    """
    try:
        owner = os.stat(os.path.dirname(chosen(options)["manifest"])).st_uid
    except FileNotFoundError:
        return True
    except OSError:
        owner = 0
    return os.geteuid() in (0, owner)


def absolute(path: str) -> str:
    """The path from the root on; links stay in it, since what they lead to may change."""
    try:
        return os.path.abspath(path)
    except FileNotFoundError:
        told = (
            f"aimx: nobody can tell where {path} is, since the directory that this was typed in is"
            " gone. Name it from / on, or go elsewhere."
        )
        terminal.tell(told)
        raise SystemExit(Exit.ERROR) from None
