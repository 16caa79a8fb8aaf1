/** Starts the program: what follows the script's name is in `process.argv`. Sets `process.exitCode`. */
export async function main(): Promise<void> {
  const [first, ...rest] = process.argv.slice(2);
  if (first === "__child") {
    const { runChild } = await import("../daemon/children.ts");
    return runChild(rest);
  }
  process.stdout.on("error", leave);
  process.stderr.on("error", leave);
  const { runProgram } = await import("./program.ts");
  const { stdin, stdout, stderr } = process;
  process.exitCode = await runProgram(process.argv.slice(2), { stdin, stdout, stderr });
}

/** What cannot be written is lost. A reader that has seen enough (`| head`) wanted it so; anything else is a failure. */
function leave(error: Error): never {
  if ("code" in error && error.code === "EPIPE") process.exit();
  process.stderr.write(`error: the output cannot be written: ${error.message}\n`);
  process.exit(1);
}
