import { isIP } from "node:net";
import { shown, type Value, wrong } from "./value.ts";

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;

/** An address or name to listen on. */
export function host(): Value<string> {
  return {
    hint: "IP address or host name",
    parse(value) {
      // A name of digits and dots only is a mistyped address, whatever DNS would make of it.
      const named = HOST_NAME.test(value) && !/^[\d.]+$/.test(value);
      if (isIP(value) === 0 && !named) throw wrong(`${shown(value)} is not an IP address or host name`);
      return value;
    },
    format: (value) => value,
  };
}

/** What an instance is told in Host: `instance`, `client`, or a host with a port or without. */
export function toldHost(): Value<string> {
  return {
    hint: "instance, client, or HOST[:PORT]",
    parse(text) {
      if (text === "instance" || text === "client") return text;
      const [, six = "", named = "", port = "1"] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
      const known = isIP(six) === 6 || isIP(named) === 4 || (HOST_NAME.test(named) && !/^[\d.]+$/.test(named));
      if (!known || Number(port) === 0 || Number(port) > 65_535) {
        throw wrong(`${shown(text)} is not instance, client, or a host such as app.example or app.example:8080`);
      }
      return text;
    },
    format: (text) => text,
  };
}

/** Scheme, host and port as the beginning of a URL; empty = none. */
export function origin(): Value<string> {
  return {
    hint: "https://gw.example, or with a port",
    parse(text) {
      if (text === "") return text;
      const url = URL.parse(text);
      const isPlain =
        url !== null && url.username === "" && url.pathname === "/" && url.search === "" && url.hash === "";
      if (!isPlain || !/^https?:$/.test(url.protocol)) {
        throw wrong(`${shown(text)} is no URL of scheme, host and port alone, as in https://gw.example`);
      }
      return url.origin;
    },
    format: (value) => value,
  };
}

/** A domain name under which names are made; empty = none. */
export function domain(): Value<string> {
  return {
    hint: "domain name",
    parse(value) {
      if (value === "" || (HOST_NAME.test(value) && isIP(value) === 0 && value.length <= 189)) return value;
      throw wrong(`${shown(value)} is not a domain name such as sandboxes.example.com`);
    },
    format: (value) => value,
  };
}

/** A list of networks, each written out as `address/prefix`: a single address gets /32 or /128. */
export function networks(): Value<readonly string[]> {
  return {
    hint: "list of addresses and CIDR networks",
    parse: (list) =>
      list
        .split(/[\s,]+/)
        .filter((entry) => entry !== "")
        .map(network),
    format: (list) => list.join(", "),
  };
}

/** A list of DNS servers: addresses, with a port or without. */
export function servers(): Value<readonly string[]> {
  return {
    hint: "list of addresses, with a port or without",
    parse: (list) =>
      list
        .split(/[\s,]+/)
        .filter((entry) => entry !== "")
        .map(server),
    format: (list) => list.join(", "),
  };
}

function server(entry: string): string {
  const [, six, four, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::(\d{1,5}))?$/.exec(entry) ?? [];
  const address = six ?? four ?? entry;
  if (isIP(address) === 0 || address.includes("%") || Number(port ?? 53) > 65_535 || Number(port ?? 53) === 0) {
    throw wrong(`${shown(entry)} is not the address of a server such as 10.0.0.53, 10.0.0.53:5353 or [fd00::53]:5353`);
  }
  return entry;
}

function network(entry: string): string {
  const [address = "", prefix, ...rest] = entry.split("/");
  const bits = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0;
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
  // Zone indices (fe80::1%eth0) name an interface of one machine and match nothing.
  if (bits === 0 || address.includes("%") || rest.length > 0 || length < 0 || length > bits) {
    throw wrong(`${shown(entry)} is not an address or network such as 10.0.0.0/8 or 2001:db8::/32`);
  }
  return `${address}/${length}`;
}
