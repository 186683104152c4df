"""Reports to the operator's own Python function."""

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from statuspush.core.errors import InputError
from statuspush.core.kinds import Received


class PythonSink:
    """Calls ``function(reports)``; when it returns, it has taken them over.

    An ``async`` function runs on the event loop, any other in a thread.
    """

    def __init__(self, target: str) -> None:
        """Take ``module:function``; the module is imported by :meth:`open`."""
        self._module, _, self._name = target.partition(":")
        if not self._module or not self._name:
            raise InputError(f'"{target}" is not MODULE:FUNCTION')
        self._function: Callable[[Sequence[Received]], Any] | None = None

    async def open(self) -> None:
        """Import the module, from the current directory as well."""
        here = str(Path.cwd())
        if here not in sys.path and "" not in sys.path:
            sys.path.insert(0, here)
        try:
            module = importlib.import_module(self._module)
            function = attrgetter(self._name)(module)
        except ModuleNotFoundError as error:
            raise InputError(f'there is no module "{error.name}"') from error
        except AttributeError as error:
            raise InputError(f'module "{self._module}" has no "{self._name}"') from error
        except Exception as error:
            raise InputError(
                f'module "{self._module}" cannot be imported: {type(error).__name__}: {error}'
            ) from error
        if not callable(function):
            raise InputError(f'"{self._module}:{self._name}" is not a function')
        self._function = function

    async def deliver(self, reports: Sequence[Received]) -> None:
        """Call the function; what it raises goes to the caller."""
        if self._function is None:
            await self.open()
        function: Final = self._function
        assert function is not None
        if inspect.iscoroutinefunction(function):
            await function(reports)
            return
        result = await asyncio.to_thread(function, reports)
        if inspect.isawaitable(result):
            await result

    async def close(self) -> None:
        """Nothing is open."""
