import { expect, test } from "vitest";
import { newId } from "../../src/domain/id.ts";

test.each(["exe", "tok", "ses", "ins", "req"] as const)(
  "an id of kind %s says so, is 100 random bits, and never comes twice",
  (prefix) => {
    const ids = Array.from({ length: 2000 }, () => newId(prefix));
    for (const id of ids) expect(id).toMatch(new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{20}$`));
    expect(new Set(ids).size).toBe(2000);
    // Every character of the alphabet turns up in every place.
    for (let place = 4; place < 24; place++) expect(new Set(ids.map((id) => id[place])).size).toBe(32);
  },
);
