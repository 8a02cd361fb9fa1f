"""Environment variables: names with digests, without those of the session that say nothing about the model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from backslide.contracts.snapshot import MaskedSetting
from backslide.stack.masking import SALT_VARIABLE, mask

_ARITHMETIC = "MKL_CBWR OPENBLAS_CORETYPE PYTHONOPTIMIZE PYTHONHASHSEED TF_ENABLE_ONEDNN_OPTS TF_DETERMINISTIC_OPS"
_THREADS = (
    "OMP_NUM_THREADS OMP_WAIT_POLICY MKL_NUM_THREADS OPENBLAS_NUM_THREADS NUMEXPR_NUM_THREADS POLARS_MAX_THREADS "
    "CUDA_VISIBLE_DEVICES"
)
_LOCALE = "TZ LANG LC_ALL LC_NUMERIC LC_CTYPE"
HARMLESS = tuple(f"{_ARITHMETIC} {_THREADS} {_LOCALE}".split())
"""Variables whose values are shown: they change arithmetic, threads or locale, and hold no secret."""
_TERMINAL = (
    "PWD OLDPWD SHLVL _ TERM* COLORTERM LS_COLORS LSCOLORS PS1 PS2 EDITOR VISUAL PAGER LESS* HIST* COLUMNS LINES SHELL TMUX* STY "
    "VSCODE_* GPG_* LC_TERMINAL* NO_COLOR FORCE_COLOR PROMPT_COMMAND WSL* JPY_* IPY*"
)
_DESKTOP = (
    "XDG_* DBUS_* DISPLAY WAYLAND_* WINDOWID GJS_* GNOME_* GTK_* QT_* DESKTOP_SESSION SESSION_MANAGER USER USERNAME HOME LOGNAME "
    "MAIL HOSTNAME HOST HOSTTYPE OSTYPE MACHTYPE SSH_* TMPDIR TEMP TMP"
)
_SCHEDULER = (
    "KUBERNETES_* *_SERVICE_HOST *_SERVICE_PORT* *_PORT_*_TCP* *_PORT_*_UDP* POD_IP POD_NAME INVOCATION_ID JOURNAL_STREAM "
    "SYSTEMD_* LISTEN_* MANAGERPID"
)
_BUILD = (
    "GITHUB_* RUNNER_* CI_* BUILD_* GIT_* PIP_* UV_* VIRTUAL_ENV* CONDA_* PYTEST_* COVERAGE_* COV_* MAKEFLAGS MAKELEVEL MFLAGS "
    "DEBUGINFOD_* KMP_DUPLICATE* KMP_INIT_AT_FORK BACKSLIDE_*"
)
SESSION = tuple(f"{_TERMINAL} {_DESKTOP} {_SCHEDULER} {_BUILD}".split())
"""Variables of terminals, desktops, schedulers and build machines, which say nothing about the model."""


def variables(
    names: Iterable[str] | None, show: Iterable[str], salt: str, source: Mapping[str, str] | None = None
) -> dict[str, MaskedSetting]:
    """Variables whose names match ``names`` (all but the session's without it), as they are written down."""
    present = os.environ if source is None else source
    patterns = SESSION if names is None else tuple(names)
    matching = {name for name in present if any(fnmatchcase(name, pattern) for pattern in patterns)}
    chosen = (set(present) - matching if names is None else matching) - {SALT_VARIABLE}
    return {name: mask(name, present[name], salt, (*HARMLESS, *show)) for name in sorted(chosen)}
