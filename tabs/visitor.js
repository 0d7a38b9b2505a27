// Keeps what the visitor said of films in this browser's localStorage, and tells the session what
// is there. serving/visitor_book.py tells the format; nothing here reaches any other server.

const REMOVED_FOR = 864e5; // ms that a removal is remembered, for other tabs of this browser
let page = {}; // what the session knows; one for each page that a browser has open

const isTable = (thing) => thing !== null && typeof thing === "object" && !Array.isArray(thing);
const isEntry = (thing) =>
  Array.isArray(thing) && thing.length === 2 && Number.isSafeInteger(thing[1]);
const wins = ([value, at], known) =>
  !isEntry(known) || at > known[1] ||
  (at === known[1] && JSON.stringify(value) > JSON.stringify(known[0]));

export function merge(kept, changes) {
  for (const [kind, films] of Object.entries(changes)) {
    kept[kind] ??= {};
    for (const [film, entry] of Object.entries(films))
      if (wins(entry, kept[kind][film])) kept[kind][film] = entry;
  }
  return kept;
}

function forgetRemoved(kept, kinds) {
  for (const kind of kinds)
    for (const [film, entry] of Object.entries(kept[kind] ?? {}))
      if (isEntry(entry) && entry[0] === null && entry[1] < Date.now() - REMOVED_FOR)
        delete kept[kind][film];
}

// The stored text as an object; null where it is none of ours.
function understood(text, { limit, version, kinds }) {
  if (text === null) return { version };
  try {
    const kept = text.length <= limit ? JSON.parse(text) : null;
    const sound = isTable(kept) && kept.version === version;
    return sound && kinds.every((kind) => !(kind in kept) || isTable(kept[kind])) ? kept : null;
  } catch {
    return null;
  }
}

// Writes the changes of the session; what was stored before, what is now, and what went wrong.
function write(data) {
  let before = "";
  try {
    const text = localStorage.getItem(data.store);
    before = text ?? "";
    let kept = understood(text, data);
    const trouble = kept ? "" : "aside";
    if (!kept) {
      localStorage.setItem(`${data.store}.aside`, text);
      kept = { version: data.version };
    }
    merge(kept, data.changes);
    forgetRemoved(kept, data.kinds);
    const empty = data.kinds.every((kind) => !Object.keys(kept[kind] ?? {}).length);
    const now = empty ? "" : JSON.stringify(kept);
    if (now.length > data.limit) return { before, now: before, trouble: "full" };
    if (empty) localStorage.removeItem(data.store);
    else if (now !== before) localStorage.setItem(data.store, now);
    return { before, now, trouble };
  } catch (error) {
    const full = error?.name === "QuotaExceededError";
    return { before, now: before, trouble: full ? "full" : "blocked" };
  }
}

// The films of a link; behind the #, so that no request carries them.
function linked({ linkName, linkLimit, linkDone }) {
  const code = location.hash.startsWith(`#${linkName}=`)
    ? location.hash.slice(linkName.length + 2) : "";
  if (code && code === linkDone)
    history.replaceState(history.state, "", location.pathname + location.search);
  return code === linkDone ? "" : code.slice(0, linkLimit);
}

function look() {
  const { data, tell } = page;
  const { before, now, trouble } = write(data);
  const known = page.known?.token === data.token ? page.known : { text: "", trouble: "", link: "" };
  const news = { token: data.token, text: now, link: linked(data) };
  news.trouble = trouble || (known.trouble === "aside" ? "aside" : "");
  page.known = news;
  if (before !== known.text || news.trouble !== known.trouble || (news.link && news.link !== known.link))
    tell(news);
}

addEventListener("storage", ({ key }) => {
  if (key === page.data?.store || key === null) look();
});
addEventListener("hashchange", () => page.data && look());

export default function ({ data, setTriggerValue }) {
  page = { ...page, data, tell: (news) => setTriggerValue("told", news) };
  look();
}
