"""An exception that no error of ours foresaw: whose code it came out of or may come from, and what to do."""

from __future__ import annotations

import sys
import traceback
from types import TracebackType


def plugin_fault(error: BaseException) -> str | None:
    """The traceback from a plugin's first line on and a line on that plugin; where none is in it, all of it and the
    plugins whose components are at work. ``None`` where there are none but the built-ins.
    """
    from ....registry.discovery import BUILTIN, default_plugins
    from ....registry.loading import said

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
    at_work = [
        one for one in owners.values() if any(part.build.partition(":")[0] in sys.modules for part in one.components)
    ]
    if not at_work:
        return None
    trace = "".join(traceback.format_exception(error))
    tries = " and ".join(f"`graftwork plugins check {one.distribution}`" for one in at_work)
    return (
        f"{trace}error: {said(error)}\n"
        f"no line above is a plugin's, but what a component of {', '.join(map(str, at_work))} gave may have led here: "
        f"{tries} tries its components by themselves; if nothing is found, the mistake is Graftwork's"
    )
