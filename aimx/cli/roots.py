"""Which instance a command means: flags win over variables, variables over the defaults."""

from __future__ import annotations

import argparse
import os

_DEFAULTS = {
    "config_dir": ("AIMX_CONFIG_DIR", "/etc/aimx"),
    "data_dir": ("AIMX_DATA_DIR", "/var/lib/aimx"),
    "runtime_dir": ("AIMX_RUNTIME_DIR", "/run/aimx"),
}


def chosen(options: argparse.Namespace) -> dict[str, str]:
    """The directories and the manifest as absolute paths, by the names that a frame uses."""
    found = {
        name.replace("_", "-"): _absolute(
            getattr(options, name, None) or os.environ.get(variable) or default
        )
        for name, (variable, default) in _DEFAULTS.items()
    }
    manifest = getattr(options, "manifest", None) or os.environ.get("AIMX_MANIFEST")
    found["manifest"] = _absolute(manifest or os.path.join(found["config-dir"], "manifest.toml"))
    return found


def data_is_chosen(options: argparse.Namespace) -> bool:
    """Whether somebody named the data directory; else a manifest of the older system may."""
    return bool(getattr(options, "data_dir", None) or os.environ.get("AIMX_DATA_DIR"))


def _absolute(path: str) -> str:
    # Links stay in the path: what they lead to may change.
    return os.path.abspath(path)
