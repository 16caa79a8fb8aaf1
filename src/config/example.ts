import { fileKeyOf, isKeyName, isSecret, type KeyName, SCHEMA, SECTIONS } from "./schema.ts";

const HEADER = `\
# sandboxgw configuration: every key with its default, generated from src/config/keys by npm run generate.
#
# sandboxgw needs no configuration. To use this file, copy it to ./sandboxgw.ini, ~/.config/sandboxgw/sandboxgw.ini or
# /etc/sandboxgw/sandboxgw.ini (the first one found counts), or name it: --config FILE, or SANDBOXGW_CONFIG=FILE.
# Every key is also an environment variable of the same name, and with the prefix SANDBOXGW_, which wins.
# Flags > environment > KEY_FILE (secrets) > this file > defaults; empty = not set. To check: sandboxgw config validate
#
# A duration is in seconds or has a unit (250ms 30s 5m 1h 7d); a size is in bytes or has a unit (64kb 10mb 1gb);
# a list is separated by commas. ; and # begin a comment: a value that contains one goes in double quotes, as in "a;b".
`;

/** The text of config.example.ini: it loads, and says nothing but the defaults. */
export function exampleIni(): string {
  let text = HEADER;
  for (const { name, title, keys } of SECTIONS) {
    text += `\n# ${title}\n[${name}]\n`;
    for (const key of Object.keys(keys).filter(isKeyName)) {
      text += `\n# ${comment(key)}\n${`${key} = ${SCHEMA[key].initial}`.trimEnd()}\n`;
    }
  }
  return text;
}

function comment(name: KeyName): string {
  const { doc, value } = SCHEMA[name];
  const file = isSecret(name) ? `; or in a file: ${fileKeyOf(name)}` : "";
  return `${doc} (${value.hint}${file})`;
}
