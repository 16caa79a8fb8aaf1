const JSON_TYPE = /^application\/(?:[!#$%&'*+\-.^_`|~0-9a-z]+\+)?json[ \t]*(?:;|$)/i;
const CHARSET = /;[ \t]*charset[ \t]*=[ \t]*"?([^\s";]*)/i;

/** Whether a Content-Type is that of JSON: `application/json`, or one that ends in `+json` (RFC 6839 section 3.1). */
export function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && JSON_TYPE.test(contentType);
}

/** Why JSON with these fields cannot be read as it is; undefined when it can. */
export function unreadable(contentType: string, contentEncoding: string | undefined): string | undefined {
  if (contentEncoding !== undefined && contentEncoding !== "" && contentEncoding.toLowerCase() !== "identity") {
    return "It is compressed";
  }
  const charset = CHARSET.exec(contentType)?.[1]?.toLowerCase() ?? "utf-8";
  return charset === "utf-8" || charset === "utf8" ? undefined : "It is not UTF-8";
}
