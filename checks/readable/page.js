// Takes a bundle apart (its format: checks/stream.py) and shows it. All of it is text of a machine: it becomes text
// nodes only, never markup, and what would not be seen or would reorder the line is shown by its code.
"use strict";

const SHOWN_AT_ONCE = 65536;

const visible = (text) =>
  text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}]/gu, (char) =>
    char === "\n" || char === "\t" ? char : `\\u{${char.codePointAt(0).toString(16)}}`);

const unpacked = async (packed) => {
  const bytes = Uint8Array.from(atob(packed), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};

// One char per byte, so that places in the string are places in the bytes.
const split = (bytes) => {
  const text = new TextDecoder("latin1").decode(bytes);
  const utf8 = new TextDecoder("utf-8");
  const slice = (from, to) => utf8.decode(bytes.subarray(from, to));
  const end = text.indexOf("\n");
  const head = JSON.parse(slice(0, end));
  const mark = `\n${head.boundary} `;
  const sections = [];
  for (let at = text.indexOf(mark, end); at !== -1;) {
    const line = text.indexOf("\n", at + mark.length);
    const next = text.indexOf(mark, line);
    const [tag, number] = text.slice(at + mark.length, line).split(" ");
    sections.push({ tag, number: Number(number), text: slice(line + 1, next === -1 ? bytes.length : next) });
    at = next;
  }
  return { sources: head.sources || [], sections };
};

const complaint = (text) => text.replace(/\n?rc (\d+)\s*$/, (_, rc) => (rc === "0" ? "" : `\nexit status ${rc}`)).trim();

// Lines of `grep -H`: a path that was listed, a colon, and a line of that file.
const byPath = (paths, body) => {
  const known = new Set(paths);
  const found = new Map();
  let current = null;
  for (const line of body.split("\n")) {
    if (current === null || !line.startsWith(`${current}:`)) {
      current = null;
      for (let at = line.indexOf(":"); at !== -1; at = line.indexOf(":", at + 1)) {
        if (known.has(line.slice(0, at))) { current = line.slice(0, at); break; }
      }
    }
    if (current !== null) found.set(current, `${found.get(current) ?? ""}${line.slice(current.length + 1)}\n`);
  }
  return found;
};

// name → what was read under it, and what the reader complained of.
const readings = (sections) => {
  const found = new Map();
  const notes = [];
  const unread = new Map();
  const add = (name, text, said = "") => found.set(name, { text: (found.get(name)?.text ?? "") + text, said });
  let names = [];
  let texts = new Map();
  for (const { tag, number, text } of sections) {
    if (tag === "list") names = text.split("\0").filter(Boolean);
    else if (tag === "item") { names = [text]; texts = new Map(); }
    else if (tag === "lines") texts = byPath(names, text);
    else if (tag === "ls") texts = new Map(text.split("\n").map((line) => line.slice(line.indexOf(" /") + 1).split(" -> ")).filter((pair) => pair.length > 1));
    else if (["out", "hex", "cmd"].includes(tag)) texts = new Map([[names[0], text]]);
    else if (tag === "err") {
      const said = complaint(text);
      for (const [name, own] of texts) add(name, own, names.length === 1 ? said : "");
      for (const line of said.split("\n")) {
        const name = names.find((one) => !texts.has(one) && line.includes(`${one}:`));
        if (name !== undefined) add(name, "", line);
      }
      names = [];
      texts = new Map();
    } else if (tag === "dirs") {
      let directory = null;
      for (const record of text.split("\0").filter(Boolean)) {
        if (record[0] === "D") { directory = record.slice(1); add(directory, ""); }
        else if (record[0] === "X") add(record.slice(1), "", "may not be listed");
        else if (directory !== null) add(directory, `${record.slice(1)}\n`);
      }
    } else if (tag === "closed") add(text.trim(), "", "may not be searched");
    else if (tag === "unread" || tag === "spared") unread.set(number, tag === "spared" ? `not run: root read ${text.trim()}` : text.trim());
    else if (tag === "note") notes.push(text.trim());
  }
  return { found, notes, unread };
};

// A shell's glob; wildcards do not cross a slash. A command may have got an argument.
const finds = (source) => {
  if (source.kind === "Command") return (name) => name === source.line || name.startsWith(`${source.line} `);
  const pattern = source.path.replace(/[.+^${}()|\\]/g, "\\$&").replace(/\*/g, "[^/]*").replace(/\?/g, "[^/]");
  const whole = new RegExp(`^${pattern}$`);
  const start = source.path.split(/[*?[]/, 1)[0];
  return (name) => name.startsWith(start) && whole.test(name);
};

const element = (kind, text, properties = {}) => Object.assign(document.createElement(kind), { textContent: visible(text) }, properties);

const shown = (name, { text, said }) => {
  const part = document.createElement("section");
  if (!said && text.length < 100 && !text.slice(0, -1).includes("\n")) part.className = "short";
  part.append(element("h3", name));
  if (said) part.append(element("p", said, { className: "said" }));
  if (!text && !said) part.append(element("p", "empty", { className: "absent" }));
  if (text) {
    const body = element("pre", text.slice(0, SHOWN_AT_ONCE), { tabIndex: 0 });
    part.append(body);
    if (text.length > SHOWN_AT_ONCE) {
      const more = element("button", `show all ${text.length} characters`);
      more.addEventListener("click", () => { body.textContent = visible(text); more.remove(); });
      part.append(more);
    }
  }
  return part;
};

const isMissing = ({ text, said }) => !text && /: No such file or directory$/.test(said);

// What several subjects go by stands in each of them: raw text is never two clicks away.
const subject = (name, numbers, sources, read, taken) => {
  const part = document.createElement("section");
  part.append(element("h2", name, { id: name.replace(/ /g, "-") }));
  const absent = new Set();
  const own = new Set();
  for (const number of numbers) {
    const label = sources[number].line ?? sources[number].path;
    const found = [...read.found.keys()].filter(finds(sources[number]));
    found.forEach((one) => own.add(one));
    if (read.unread.has(number)) part.append(shown(label, { text: "", said: read.unread.get(number) }));
    else if (!found.length) absent.add(label);
  }
  for (const one of own) {
    taken.add(one);
    if (isMissing(read.found.get(one))) absent.add(one);
    else part.append(shown(one, read.found.get(one)));
  }
  if (absent.size) part.append(element("p", `Looked for and not there: ${[...absent].join(", ")}`, { className: "absent" }));
  return part;
};

const filter = () => {
  const box = document.getElementById("find");
  box.addEventListener("input", () => {
    const word = box.value.toLowerCase();
    let count = 0;
    for (const part of document.querySelectorAll("main section section")) {
      const fits = part.textContent.toLowerCase().includes(word);
      part.classList.toggle("hidden", !fits);
      count += fits;
    }
    document.getElementById("told").textContent = word ? `${count} sources` : "";
  });
};

const go = () => {
  // In a report that is one file this page is a frame, whose place comes as its name.
  const id = decodeURIComponent(location.hash.slice(1)) || window.name;
  if (id) document.getElementById(id)?.scrollIntoView();
};

(async () => {
  const all = document.getElementById("all");
  all.textContent = "";
  let bundle;
  try {
    bundle = split(await unpacked(document.getElementById("bundle").textContent));
  } catch (error) {
    all.append(element("p", `This bundle cannot be unpacked here: ${error}`));
    return;
  }
  const read = readings(bundle.sections);
  const facts = Object.entries(JSON.parse(document.getElementById("sources").textContent));
  const taken = new Set();
  for (const note of read.notes) all.append(element("p", note, { className: "said" }));
  for (const [name, numbers] of facts) {
    all.append(subject(name, numbers, bundle.sources, read, taken));
    document.getElementById("facts").append(element("a", name, { href: `#${name.replace(/ /g, "-")}` }), " ");
  }
  const rest = [...read.found.keys()].filter((name) => !taken.has(name));
  if (rest.length) {
    const part = element("section", "");
    part.append(element("h2", "Everything else", { id: "else" }), ...rest.map((name) => shown(name, read.found.get(name))));
    all.append(part);
  }
  filter();
  go();
  window.addEventListener("hashchange", go);
  document.body.dataset.ready = String(read.found.size);
})();
