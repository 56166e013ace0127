// What pytest-html's own script lacks: one search for all of the page, links to rows that stay good, a keyboard and a
// screen reader's way through it, and paper that has everything.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  document.documentElement.lang = "en";
  const viewport = Object.assign(document.createElement("meta"), { name: "viewport", content: "width=device-width" });
  document.head.append(viewport);
  const summary = document.querySelector(".summary");
  const controls = document.querySelector(".controls");
  if (!summary || !controls) return;
  const main = document.createElement("main");
  summary.before(main);
  main.append(summary, document.getElementById("results-table"));

  // Search: hosts, findings, the matrix and the statements.
  const box = Object.assign(document.createElement("input"), {
    type: "search", className: "vf-search", placeholder: "host, statement, message …",
  });
  box.setAttribute("aria-label", "Show only what has all of these words");
  const told = Object.assign(document.createElement("output"), { className: "vf-told" });
  document.querySelector(".vf-contents")?.append(box, told);
  controls.querySelectorAll(".filters span").forEach((label) => { label.textContent = label.textContent.replace(/,$/, ""); });
  controls.querySelectorAll(".filter").forEach((mark) => {
    mark.setAttribute("aria-label", `Show statements: ${mark.nextElementSibling.textContent}`);
  });

  const texts = new WeakMap();
  const textOf = (part) => {
    if (!texts.has(part)) texts.set(part, part.textContent.toLowerCase());
    return texts.get(part);
  };
  const KINDS = [
    ["host", "hosts", ".vf-machine"], ["finding", "findings", ".vf-causes > li"], ["", "", ".vf-matrix tbody tr"],
    ["statement", "statements", "#results-table > tbody.results-table-row"],
  ];
  const show = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const counts = KINDS.map(([one, many, selector]) => {
      let count = 0;
      document.querySelectorAll(selector).forEach((part) => {
        const fits = words.every((word) => textOf(part).includes(word));
        if (part.classList.contains("vf-filtered") === fits) part.classList.toggle("vf-filtered", !fits);
        count += fits;
      });
      return one && `${count} ${count === 1 ? one : many}`;
    });
    told.textContent = words.length ? counts.filter(Boolean).join(", ") : "";
  };
  const remember = () => {
    const url = new URL(location.href);
    if (box.value) url.searchParams.set("q", box.value); else url.searchParams.delete("q");
    history.replaceState({}, "", url);
  };

  // pytest-html draws its table anew on every click; what it lacks is put in each time.
  const press = (element) => {
    element.tabIndex = 0;
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      const place = element.closest("tbody")?.id;
      const column = element.dataset.columnType;
      element.click();
      const again = place ? document.getElementById(place)?.querySelector(".col-outcome")
        : document.querySelector(`#results-table-head [data-column-type="${column}"]`);
      again?.focus();
    });
  };
  const dress = () => {
    const table = document.getElementById("results-table");
    table.setAttribute("aria-labelledby", "statements");
    table.querySelectorAll("th").forEach((head) => { head.scope = "col"; });
    table.querySelectorAll("th.sortable:not([hidden])").forEach((head) => {
      const order = head.classList.contains("asc") ? "descending" : head.classList.contains("desc") ? "ascending" : "none";
      head.setAttribute("aria-sort", order);
      if (head.tabIndex !== 0) press(head);
    });
    table.querySelectorAll("tbody.results-table-row").forEach((row) => {
      const cell = row.querySelector(".col-outcome");
      if (!cell) return;
      if (row.querySelector(".log")) {
        row.classList.add("vf-has-log");
        cell.title = "what it printed";
        cell.setAttribute("aria-expanded", String(!row.querySelector(".extras-row").classList.contains("hidden")));
        press(cell);
      }
      const link = Object.assign(document.createElement("a"), { href: `#${row.id}`, className: "vf-link", textContent: "#" });
      link.setAttribute("aria-label", "Address of this row");
      row.querySelector(".vf-statement")?.append(" ", link);
    });
    show();
  };
  new MutationObserver(dress).observe(main, { childList: true });
  document.addEventListener("click", (event) => {
    // Only the outcome's cell opens what a row printed: elsewhere a click would spoil selecting text.
    const cell = event.target.closest?.(".collapsible td");
    const opens = cell?.classList.contains("col-outcome") && cell.closest(".vf-has-log");
    if (cell && !opens && !event.target.closest("a")) event.stopPropagation();
  }, true);

  // An address in the page is good whatever is filtered or folded.
  const goTo = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    document.querySelectorAll(".vf-target").forEach((other) => other.classList.remove("vf-target"));
    if (!id) return;
    if (!document.getElementById(id) && id.startsWith("row-")) {
      controls.querySelectorAll(".filter:not(:checked):not(:disabled)").forEach((mark) => mark.click());
      dress();
    }
    const target = document.getElementById(id);
    if (!target) return;
    if (target.closest(".vf-filtered")) { box.value = ""; show(); remember(); }
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    target.classList.add("vf-target");
    target.scrollIntoView({ block: target.id.startsWith("row-") ? "center" : "start" });
  };

  // Paper has everything: what is folded is opened, what is filtered comes back.
  const folded = [];
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details:not([open])").forEach((part) => { folded.push(part); part.open = true; });
  });
  window.addEventListener("afterprint", () => folded.splice(0).forEach((part) => { part.open = false; }));

  // In a report that is one file, what it links to is in it.
  const held = document.getElementById("vf-files");
  const files = held ? JSON.parse(held.textContent) : {};
  const bytesOf = (file) => file.text !== undefined ? file.text : Uint8Array.from(atob(file.base64), (char) => char.charCodeAt(0));
  const look = (path, place) => {
    const dialog = Object.assign(document.createElement("dialog"), { className: "vf-look" });
    dialog.setAttribute("aria-label", path);
    const close = Object.assign(document.createElement("button"), { textContent: "Close" });
    close.addEventListener("click", () => dialog.close());
    const frame = document.createElement("iframe");
    frame.title = path;
    frame.name = place;  // a document without an address has no fragment of its own
    frame.setAttribute("sandbox", "allow-scripts");  // an origin of its own: it cannot reach this page
    frame.srcdoc = files[path].text;
    dialog.append(close, frame);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    const [path, place] = (link?.getAttribute("href") ?? "").split("#").map(decodeURIComponent);
    if (!link || !Object.hasOwn(files, path)) return;
    event.preventDefault();
    if (path.endsWith(".html")) { look(path, place ?? ""); return; }
    const address = URL.createObjectURL(new Blob([bytesOf(files[path])]));
    Object.assign(document.createElement("a"), { href: address, download: path.split("/").pop() }).click();
    URL.revokeObjectURL(address);
  });

  box.value = new URL(location.href).searchParams.get("q") ?? "";
  box.addEventListener("input", show);
  box.addEventListener("change", remember);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.closest("input, textarea")) { event.preventDefault(); box.focus(); }
    if (event.key === "Escape" && event.target === box) { box.value = ""; show(); remember(); }
  });
  window.addEventListener("hashchange", goTo);
  dress();
  goTo();
});
