import type { Command } from "commander";
import { VERSION } from "../../version.ts";
import type { Cli } from "../cli.ts";

export function defineVersion(version: Command, cli: Cli): void {
  version
    .description("Prints the version, and what it runs on.")
    .addHelpText("after", "\nExamples:\n  sandboxgw version\n  sandboxgw version -o json")
    .action(() => {
      const { version: node, platform, arch } = process;
      cli.output.print(
        { version: VERSION, node, platform, arch },
        () => `sandboxgw ${VERSION} (node ${node}, ${platform} ${arch})`,
      );
    });
}
