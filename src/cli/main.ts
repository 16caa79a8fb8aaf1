/** Starts the program: what follows the script's name is in `process.argv`. Sets `process.exitCode`. */
export async function main(): Promise<void> {
  const [first, ...rest] = process.argv.slice(2);
  if (first === "__role") {
    const { runRole } = await import("../daemon/roles.ts");
    return runRole(rest);
  }
  // A reader that has seen enough (`| head`) is no failure.
  process.stdout.on("error", leaveOnBrokenPipe);
  process.stderr.on("error", leaveOnBrokenPipe);
  const { runProgram } = await import("./program.ts");
  const { stdin, stdout, stderr } = process;
  process.exitCode = await runProgram(process.argv.slice(2), { stdin, stdout, stderr });
}

function leaveOnBrokenPipe(error: Error): void {
  if ("code" in error && error.code === "EPIPE") process.exit();
  throw error;
}
