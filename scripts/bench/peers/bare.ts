// A node:http server that proxies nothing: what the server side alone costs. Also the upstream where nginx is absent.

import { createServer } from "node:http";
import { REPLY } from "../load/reply.ts";

const body = Buffer.from(REPLY);
const headers = { "content-type": "application/json", "content-length": body.length };

createServer((_request, response) => {
  response.writeHead(200, headers).end(body);
}).listen(Number(process.argv[2]), "127.0.0.1");
