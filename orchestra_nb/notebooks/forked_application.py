"""What a forked process becomes a kernel with: the application of ipykernel, which the zygote has imported."""

from __future__ import annotations

import atexit
import fnmatch
import functools
import gc
import importlib.util
import json
import os
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from orchestra_nb.notebooks.process_tree import behave_as_python, set_title

#: How long a thread of the kernel may take to end.
_THREAD_SECONDS = 1.0
_PACKET_BYTES = 65536
#: What the application's initialization does with the user's files, folder and environment.
_FOR_THE_USER = ("init_gui_pylab", "init_extensions", "init_code")
CHANNELS = ("shell", "iopub", "stdin", "control", "hb")

Address = Mapping[str, str]

#: Variables that the import of packages has set in this process.
_set_by_imports: dict[str, str] = {}
#: Modules of ours in it. To look for them in each fork would copy the memory in which all modules' names stand.
_own_modules: list[str] = []


def import_all(names: Sequence[str]) -> None:
    """Import modules and note what that does to the environment; one that cannot be imported is passed over."""
    before = dict(os.environ)
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # kernels try for themselves, and tell
            pass
    _set_by_imports.update({name: value for name, value in os.environ.items() if before.get(name) != value})
    _own_modules[:] = [name for name in sys.modules if name.partition(".")[0] == "orchestra_nb"]


def prime_caches() -> None:
    """Have made what every kernel would: the regular expressions of its command line, its start and its first cell."""
    from ipykernel.kernelapp import IPKernelApp
    from IPython.core import completer, inputtransformer2

    transformer: Any = inputtransformer2
    transformer.TransformerManager().transform_cell("0\n")
    splitter: Any = completer.CompletionSplitter
    splitter()
    app: Any = IPKernelApp
    app().parse_command_line(["--IPKernelApp.parent_handle=1"])
    for pattern in ("*.py", "*.ipy"):
        fnmatch.filter([], pattern)


@functools.lru_cache(maxsize=8)
def read_command_line(args: tuple[str, ...]) -> tuple[Any, list[str]] | None:
    """Return the configuration in these arguments and what is left of them; None where each kernel reads them itself.

    In the process that kernels are forked from: all of one kind have the same.
    """
    from ipykernel.kernelapp import IPKernelApp

    make_app: Any = IPKernelApp
    app = make_app()
    try:
        app.parse_command_line(list(args))
    except (Exception, SystemExit):  # the kernel says what is wrong
        return None
    return app.cli_config, app.extra_args


class _ReadLine:
    """A command line that has been read, with the face of traitlets' loader."""

    def __init__(self, config: object, extra_args: list[str]) -> None:
        self._config = config
        self.extra_args = extra_args

    def load_config(self) -> object:
        """Return its configuration."""
        return self._config


class ForkedApplication:
    """What becomes a kernel: the application of ipykernel, in a process that has imported it.

    Parameters
    ----------
    keeper
        Gets the connection as soon as the kernel listens, and tells a spare its lease.
    """

    def __init__(self, args: Sequence[str], address: Address, keeper: socket.socket) -> None:
        self._args = list(args)
        self._address = dict(address)
        self._keeper = keeper
        self._app: Any = None
        self._connection_file = ""

    def run(self, lease: bytes | None, streams: Sequence[int]) -> None:
        """Be the kernel until it ends, and return then, so that the interpreter ends in its own good order.

        Parameters
        ----------
        lease
            None for a spare, which gets it when it is handed out.
        """
        behave_as_python()
        _forget_this_package()
        if lease is not None:
            self._take(json.loads(lease), streams)
        else:
            set_title("orchestra: a kernel that waits")
        gc.disable()  # nothing of what is made now is garbage
        self._make_app()
        app = self._app
        if lease is None:
            later = {name: getattr(app, name) for name in _FOR_THE_USER}
            for name in later:
                setattr(app, name, _do_nothing)
            app.initialize(self._args)
            for name in later:
                delattr(app, name)
            # makes what the first cell and the first result would make, and shows and keeps nothing
            app.shell.run_cell("pass", store_history=False, silent=True)
            app.shell.display_formatter.format(0)
            _load_default_extensions(app)
            app.kernel.start()  # listens; its loop, which hears what comes, runs later
            app.kernel.start = _do_nothing
            for stream in (sys.stdout, sys.stderr):
                _flush_what_is_there(stream)
            self._wait_for_lease()
            for begin in later.values():
                begin()  # the last one flushes what was written meanwhile
        else:
            app.initialize(self._args)
        if self._address:
            app.connection_file = self._connection_file
        self._keeper.close()
        gc.enable()
        app.start()
        _end_threads(app)
        _end_process()

    def _make_app(self) -> None:
        from ipykernel.kernelapp import IPKernelApp

        address = self._address
        if address.get("transport") == "ipc":
            address["ip"] = f"{address['ip']}{os.getpid()}"
        # 1: there is a parent, so no hints on the terminal, but none to poll for, since the keeper does better
        app: Any = IPKernelApp.instance(parent_handle=1, **address)
        self._app = app
        known = read_command_line(tuple(self._args)) if address else None
        if known is not None:
            app._create_loader = lambda *arguments, **options: _ReadLine(*known)
        if address:
            # whoever asked writes the file, with the connection that is told
            app.init_connection_file = _do_nothing
            app.write_connection_file = self._tell_connection
        else:
            write = app.write_connection_file

            def write_and_tell() -> None:
                write()
                self._tell_connection()

            app.write_connection_file = write_and_tell

    def _tell_connection(self) -> None:
        """Tell where it listens; the sockets are bound, and what is sent to them waits there."""
        app = self._app
        connection = None
        if self._address:
            connection = {
                "transport": app.transport,
                "ip": app.ip,
                "key": app.session.key.decode(),
                "signature_scheme": app.session.signature_scheme,
                **{f"{name}_port": getattr(app, f"{name}_port") for name in CHANNELS},
            }
        self._keeper.sendall(json.dumps(connection).encode() + b"\n")

    def _wait_for_lease(self) -> None:
        _, streams, _, _ = socket.recv_fds(self._keeper, 1, 2)
        line = b""
        while not line.endswith(b"\n"):
            chunk = self._keeper.recv(_PACKET_BYTES)
            if not chunk:
                os._exit(0)
            line += chunk
        self._take(json.loads(line), streams)
        self._app.shell.init_environment()  # IPython's own variables

    def _take(self, lease: dict[str, Any], streams: Sequence[int]) -> None:
        """Be in the folder, the environment and at the streams of whoever asked."""
        for stream, number, descriptor in zip((sys.stdout, sys.stderr), (1, 2), streams):  # noqa: B905 (not before Python 3.10)
            # a spare's own streams are captured already; this is where they went before
            copy = getattr(stream, "_original_stdstream_copy", None)
            os.dup2(descriptor, number if copy is None else copy, inheritable=copy is None)
            os.close(descriptor)
        os.chdir(lease["cwd"])
        environ = {**_set_by_imports, **lease["env"]}
        for name in [name for name in os.environ if name not in environ]:
            del os.environ[name]
        for name, value in environ.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        launcher = importlib.util.find_spec("ipykernel_launcher")
        sys.argv[:] = [str(launcher.origin) if launcher is not None else "", *lease["argv"]]
        set_title(" ".join([sys.executable, "-m", "ipykernel_launcher", *lease["argv"]]))
        self._connection_file = lease["connection_file"]


def _forget_this_package() -> None:
    """Undo what a process has of the one that it was forked from, beside IPython."""
    for name in _own_modules:
        sys.modules.pop(name, None)
    for path in [path for path in sys.path_importer_cache if not os.path.isabs(path)]:
        del sys.path_importer_cache[path]
    tempfile: Any = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile.tempdir = None  # TMPDIR may be another
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()  # Python's own generator sees to itself


def _load_default_extensions(app: Any) -> None:
    """Load those that IPython brings, unless they restore what the user has stored by the time of the first cell."""
    if not app.config.StoreMagics.get("autorestore", False):
        for name in app.default_extensions:
            try:
                app.shell.extension_manager.load_extension(name)
            except Exception:  # tried again when the user's are loaded, and told
                pass


def _flush_what_is_there(stream: Any) -> None:
    """Let a stream's flush do nothing where nothing was written.

    ipykernel has it wait for another thread, six times a cell. What is written stays in order: everything that a kernel
    shows goes through that one thread.
    """
    flush, known = stream.flush, vars(stream)
    pending = ("_flush_pending", "_subprocess_flush_pending")
    if all(name in known for name in pending):
        stream.flush = lambda: flush() if any(known[name] for name in pending) else None


def _end_threads(app: Any) -> None:
    """End the threads that answer requests, before the one that sends what they say.

    ipykernel ends them the other way round: whichever says "idle" in between waits for ever, and the process with it,
    until it is killed (measured: one shutdown in twenty).
    """
    for name in ("control_thread", "shell_channel_thread"):
        thread = getattr(app, name, None)
        if thread is not None and thread.is_alive():
            try:
                thread.stop()
            except RuntimeError:  # its loop has just been closed
                pass
            thread.join(_THREAD_SECONDS)


def _end_process() -> None:
    """End the process as the interpreter does, but for taking its modules apart.

    That would copy all the memory that is shared with the zygote, to throw it away (70 ms). What user code may count on
    is done: threads are waited for, exit handlers run (IPython's drops the user's names), files are flushed and closed,
    and C's own exit handlers run.
    """
    import _io
    import ctypes

    shutdown_threads: Any = threading
    shutdown_threads._shutdown()
    atexit._run_exitfuncs()
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    files = [found for found in gc.get_objects() if isinstance(found, _io._IOBase)]
    for method in ("flush", "close"):
        for file in files:
            # classes written in Python may have an end to write; C's own are flushed, and that is all
            if method == "flush" or type(file).__module__ != "_io":
                try:
                    getattr(file, method)()
                except Exception:  # closed, or read only
                    pass
    ctypes.PyDLL(None).exit(0)  # with the interpreter's lock: no other thread runs meanwhile


def _do_nothing(*arguments: object, **options: object) -> None:
    """Stand in for what is done by others, or later."""
