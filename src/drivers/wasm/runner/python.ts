/** What the Python side leaves behind for the runner, in the sandbox's own file tree. */
export interface PythonNotes {
  readonly error: { readonly name: string; readonly value: string; readonly traceback: string[] } | null;
  /** Whether the streams ended in the middle of a line. */
  readonly stdoutOpen: boolean;
  readonly stderrOpen: boolean;
}

/**
 * Runs the program named by its first argument as `__main__` and writes its notes to the file named by the second.
 *
 * just-bash pastes a program, indented, below 400 lines of its own. That changes strings over several lines, forbids
 * `from __future__`, shifts line numbers and leaves names lying about; a file that is compiled for itself has none of
 * this. Its streams also end every output with a line feed, so whether the last line was complete is noted here.
 * Only whole lines, because this program is indented too.
 */
export const PYTHON_MAIN = `
import io, json, linecache, os, sys, traceback, types

class Stream(io.FileIO):
    last = 10
    def write(self, data):
        count = super().write(data)
        if count:
            self.last = data[count - 1]
        return count

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
path, notes = sys.argv[1:3]
out, sys.stdout = stream(1, "strict")
err, sys.stderr = stream(2, "backslashreplace")
program = types.ModuleType("__main__")
program.__file__ = path
outer = sys.modules["__main__"]
sys.modules["__main__"] = program
sys.argv = [path]
sys.path.insert(0, "/host" + os.path.dirname(path))
code, error = 0, None
try:
    with open(path, encoding="utf-8") as file:
        source = file.read()
    linecache.cache[path] = len(source), None, source.splitlines(True), path
    exec(compile(source, path, "exec", dont_inherit=True), program.__dict__)
except SystemExit as caught:
    code = caught.code if isinstance(caught.code, int) else 0 if caught.code is None else 1
    if caught.code is not None and not isinstance(caught.code, int):
        print(caught.code, file=sys.stderr)
except BaseException as caught:
    code, error = 1, describe(caught)
finally:
    sys.stdout.flush()
    sys.stderr.flush()
    with open(notes, "w") as file:
        json.dump({"error": error, "stdoutOpen": out.last != 10, "stderrOpen": err.last != 10}, file)
sys.exit(code)
`;
