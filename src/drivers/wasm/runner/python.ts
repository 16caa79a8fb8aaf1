/** What the Python side leaves behind for the runner, in the sandbox's own file tree. */
export interface PythonNotes {
  readonly error: { readonly name: string; readonly value: string; readonly traceback: string[] } | null;
  /** `repr` of the value of the program's last statement, when that is an expression with a value. */
  readonly value: string | null;
  /** Whether the streams ended in the middle of a line. */
  readonly stdoutOpen: boolean;
  readonly stderrOpen: boolean;
}

/**
 * Runs the program named by its first argument as `__main__` and writes its notes to the file named by the second. The
 * third is how many bytes of each stream are let through: what is printed beyond them is dropped here, because all that
 * passes is kept in memory several times over.
 *
 * just-bash pastes a program, indented, below 400 lines of its own. That changes strings over several lines, forbids
 * `from __future__`, shifts line numbers and leaves names lying about; a file that is compiled for itself has none of
 * this. Its streams also end every output with a line feed, so whether the last line was complete is noted here.
 *
 * This CPython has no socketpair: calling it ends the whole runtime without a word, and asyncio's loops call it to be woken
 * by other threads, of which there are none either. So it is made to fail as calls fail, and the loops do without.
 * Only whole lines, because this program is indented too.
 */
export const PYTHON_MAIN = `
import _ast, _socket, io, json, linecache, os, sys, time, traceback, types

class Stream(io.FileIO):
    last = 10
    count = 0
    def write(self, data):
        size = len(data)
        room = min(size, limit - self.count)
        if room > 0:
            written = super().write(data[:room])
            self.count += written or 0
            if written != room:
                return written
        if size:
            self.last = data[size - 1]
        return size

def socketpair(*_, **__):
    raise OSError("the embedded sandbox has no socket pairs")

class AsyncioFinder:
    def find_spec(self, name, path=None, target=None):
        if name != "asyncio.selector_events":
            return None
        sys.meta_path.remove(self)
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path)
        spec = next(spec for spec in found if spec is not None)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            loop = module.BaseSelectorEventLoop
            loop._make_self_pipe = loop._close_self_pipe = loop._write_to_self = lambda self: None
            loop._add_reader = loop._add_writer = no_files
            module.selectors.DefaultSelector = patient_selector(module.selectors.SelectSelector)
        spec.loader.exec_module = exec_module
        return spec

def no_files(self, *_):
    raise NotImplementedError("the embedded sandbox's event loop cannot wait for files and sockets")

def patient_selector(base):
    class PatientSelector(base):
        def select(self, timeout=None):
            time.sleep(1 if timeout is None else min(max(timeout, 0), 1))
            return []
    return PatientSelector

def compiled(source):
    tree = compile(source, path, "exec", _ast.PyCF_ONLY_AST, dont_inherit=True)
    last = None
    if tree.body and isinstance(tree.body[-1], _ast.Expr):
        last = _ast.Expression(tree.body.pop().value)
    whole = compile(tree, path, "exec", dont_inherit=True)
    return whole, last and compile(last, path, "eval", whole.co_flags & FUTURES, dont_inherit=True)

FUTURES = 0x1fe0000

def stream(fd, errors):
    raw = Stream(fd, "w", closefd=False)
    return raw, io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", errors, line_buffering=True)

def describe(error):
    whole = traceback.TracebackException.from_exception(error)
    parts = [whole]
    for part in parts:
        part.stack = traceback.StackSummary.from_list([f for f in part.stack if f.filename != here])
        parts += [p for p in (part.__cause__, part.__context__) if p is not None]
    text = "".join(whole.format())
    sys.stderr.write(text)
    lines = [line[:1000] for line in text.splitlines()[-200:]]
    return {"name": type(error).__name__, "value": str(error)[:10000], "traceback": lines}

here = sys._getframe().f_code.co_filename
path, notes, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
_socket.socketpair = socketpair
sys.meta_path.insert(0, AsyncioFinder())
out, sys.stdout = stream(1, "strict")
err, sys.stderr = stream(2, "backslashreplace")
program = types.ModuleType("__main__")
program.__file__ = path
outer = sys.modules["__main__"]
sys.modules["__main__"] = program
sys.argv = [path]
sys.path.insert(0, "/host" + os.path.dirname(path))
code, error, value = 0, None, None
try:
    with open(path, encoding="utf-8") as file:
        source = file.read()
    linecache.cache[path] = len(source), None, source.splitlines(True), path
    whole, last = compiled(source)
    exec(whole, program.__dict__)
    if last is not None:
        value = eval(last, program.__dict__)
        value = None if value is None else repr(value)[:10000]
except SystemExit as caught:
    code = caught.code if isinstance(caught.code, int) else 0 if caught.code is None else 1
    if caught.code is not None and not isinstance(caught.code, int):
        print(caught.code, file=sys.stderr)
except BaseException as caught:
    code, error, value = 1, describe(caught), None
finally:
    sys.stdout.flush()
    sys.stderr.flush()
    with open(notes, "w") as file:
        json.dump({"error": error, "value": value, "stdoutOpen": out.last != 10, "stderrOpen": err.last != 10}, file)
sys.exit(code)
`;
