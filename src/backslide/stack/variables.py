"""Environment variables: names with digests, without those of the session that say nothing about the model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from backslide.contracts.snapshot import MaskedSetting
from backslide.stack.masking import SALT_VARIABLE, masked

HARMLESS = (
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "NUMEXPR_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTHONOPTIMIZE",
    "TZ",
    "LANG",
    "LC_ALL",
    "LC_NUMERIC",
    "LC_CTYPE",
    "CUDA_VISIBLE_DEVICES",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_DETERMINISTIC_OPS",
    "MKL_CBWR",
    "POLARS_MAX_THREADS",
)
"""Variables whose values are shown: they change arithmetic, threads or locale, and hold no secret."""
SESSION = (
    "PWD",
    "OLDPWD",
    "SHLVL",
    "_",
    "TERM*",
    "COLORTERM",
    "SSH_*",
    "XDG_*",
    "DBUS_*",
    "LS_COLORS",
    "LSCOLORS",
    "HOSTNAME",
    "HOST",
    "USER",
    "USERNAME",
    "HOME",
    "LOGNAME",
    "MAIL",
    "DISPLAY",
    "WAYLAND_*",
    "WINDOWID",
    "PS1",
    "PS2",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "LESS*",
    "HIST*",
    "COLUMNS",
    "LINES",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SHELL",
    "TMUX*",
    "STY",
    "VSCODE_*",
    "GPG_*",
    "LC_TERMINAL*",
    "KUBERNETES_*",
    "*_SERVICE_HOST",
    "*_SERVICE_PORT*",
    "*_PORT_*_TCP*",
    "*_PORT_*_UDP*",
    "POD_IP",
    "POD_NAME",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "SYSTEMD_*",
    "LISTEN_*",
    "MANAGERPID",
    "GITHUB_*",
    "RUNNER_*",
    "CI_*",
    "BUILD_*",
    "VIRTUAL_ENV*",
    "CONDA_*",
    "PYTEST_*",
    "COVERAGE_*",
    "COV_*",
    "NO_COLOR",
    "FORCE_COLOR",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "BACKSLIDE_*",
    "JPY_*",
    "IPY*",
    "GJS_*",
    "GNOME_*",
    "GTK_*",
    "QT_*",
    "DESKTOP_SESSION",
    "SESSION_MANAGER",
    "DEBUGINFOD_*",
    "WSL*",
    "KMP_DUPLICATE*",
    "KMP_INIT_AT_FORK",
    "PIP_*",
    "UV_*",
    "HOSTTYPE",
    "OSTYPE",
    "MACHTYPE",
    "PROMPT_COMMAND",
    "GIT_*",
)
"""Variables of terminals, desktops, schedulers and build machines."""


def variables(
    names: Iterable[str] | None, show: Iterable[str], salt: str, source: Mapping[str, str] | None = None
) -> dict[str, MaskedSetting]:
    """Variables whose names match ``names`` (all but the session's without it), as they are written down."""
    present = os.environ if source is None else source
    chosen = [n for n in sorted(present) if _chosen(n, None if names is None else tuple(names))]
    allowed = (*HARMLESS, *show)
    return {name: masked(name, present[name], salt, allowed) for name in chosen}


def _chosen(name: str, patterns: tuple[str, ...] | None) -> bool:
    if name == SALT_VARIABLE:
        return False
    if patterns is None:
        return not any(fnmatchcase(name, pattern) for pattern in SESSION)
    return any(fnmatchcase(name, pattern) for pattern in patterns)
