"""An exception out of a plugin's code: whose it is, where, and what to do, before its traceback."""

from __future__ import annotations

import traceback
from types import TracebackType


def plugin_fault(error: BaseException) -> str | None:
    """The traceback from the plugin's first line on, and a line on the plugin; ``None`` where no plugin is in it."""
    from ...registry.discovery import BUILTIN, default_plugins
    from ...registry.loading import said

    owners = {
        one.module.__name__.partition(".")[0]: one
        for one in default_plugins()
        if one.module is not None and one.module.__name__ != BUILTIN
    }
    entered: TracebackType | None = error.__traceback__
    while entered is not None:
        owner = owners.get(str(entered.tb_frame.f_globals.get("__name__", "")).partition(".")[0])
        if owner is not None:
            trace = "".join(traceback.format_exception(type(error), error.with_traceback(entered), entered))
            return (
                f"{trace}error: plugin {owner.name} of {owner} failed: {said(error)}\n"
                f"`graftwork plugins check {owner.distribution}` tries its components by themselves"
            )
        entered = entered.tb_next
    return None
