import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GatewayError } from "../../../src/errors.ts";
import { Exchange } from "../../../src/proxy/request/exchange.ts";
import { InFlight } from "../../../src/proxy/request/in-flight.ts";

function newExchange(inFlight: InFlight<Exchange>): Exchange {
  const req = new IncomingMessage(new Socket());
  return new Exchange(req, new ServerResponse(req), "req_1", inFlight);
}

test("whatever comes and goes in whatever order, exactly what is there is visited", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 60 }), (steps) => {
      const inFlight = new InFlight<Exchange>();
      const there: Exchange[] = [];
      for (const step of steps) {
        const leaving = there[step];
        if (leaving === undefined) there.push(newExchange(inFlight));
        else {
          there.splice(step, 1);
          inFlight.remove(leaving);
          inFlight.remove(leaving);
        }
        expect(new Set(inFlight)).toEqual(new Set(there));
        expect(inFlight.size).toBe(there.length);
      }
    }),
    { numRuns: 50 },
  );
});

describe("an exchange is in flight", () => {
  test("until it is both recorded and closed, in whichever order", () => {
    const inFlight = new InFlight<Exchange>();
    const [first, second] = [newExchange(inFlight), newExchange(inFlight)];
    first.audited(true);
    second.closed();
    expect(inFlight.size).toBe(2);
    first.closed();
    second.audited(true);
    expect(inFlight.size).toBe(0);
  });
});

describe("a cut", () => {
  const gone = new GatewayError("PROXY_005");

  test("reaches every step that works for the exchange, and none that is done", () => {
    const exchange = newExchange(new InFlight<Exchange>());
    const stopped: string[] = [];
    const stops = ["a", "b", "c", "d"].map((name) => (error: GatewayError) => void stopped.push(name + error.code));
    for (const stop of stops) exchange.onCut(stop);
    exchange.offCut(stops[0] as () => void);
    exchange.offCut(stops[2] as () => void);
    exchange.cut(gone);
    exchange.cut(new GatewayError("AUTH_001"));
    expect(stopped.toSorted()).toEqual(["bPROXY_005", "dPROXY_005"]);
  });

  test("reaches a step that begins after it at once", () => {
    const exchange = newExchange(new InFlight<Exchange>());
    exchange.cut(gone);
    const stopped: GatewayError[] = [];
    exchange.onCut((error) => void stopped.push(error));
    expect(stopped).toEqual([gone]);
  });
});
