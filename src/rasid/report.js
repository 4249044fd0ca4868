"use strict";
// The list of a report page: rows made when their page is shown, filtered by facets, article and text, walked by keyboard.
// Texts reach the document as text nodes alone, never as markup.

const byId = (id) => document.getElementById(id);
const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

// ── Colours: as the system has them, light, dark ──────────────────────────────────────────────────────────────────────

const THEMES = ["system", "light", "dark"];
byId("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme ?? "system";
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  byId("theme").textContent = `Colours: ${next}`;
  byId("theme").setAttribute("aria-label", next === "system" ? "Colours: as the system has them" : `Colours: ${next}`);
});

// ── Texts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

// What nobody sees, and what turns the order of its neighbours around, is spelt out.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u180e\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\ufeff]/;
const CONTROLS = new RegExp(`(${CONTROL.source})`);
const SIGNS = { "\n": "↵", "\r": "␍", "\t": "⇥" };
const codeOf = (sign) => SIGNS[sign] ?? `U+${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
const plain = (text) => text.split(CONTROLS).map((part) => (CONTROL.test(part) ? `[${codeOf(part)}]` : part)).join("");

const appendText = (parent, text) => {
  for (const part of text.split(CONTROLS)) {
    if (CONTROL.test(part)) parent.append(element("span", { class: "control", "data-code": codeOf(part) }));
    else if (part) parent.append(part);
  }
};

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;
const directionOf = (text) => (RIGHT_TO_LEFT.test(text) ? "rtl" : "ltr");

// The spelling that a search is made in: as rasid's normaliser folds it.
const LETTERS = { "ا": /[أإآٱٲٳ]/g, "ي": /[ىیۍې]/g, "ه": /[ةۀە]/g, "ك": /[کڪ]/g };
const DROPPED = /[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g;
const fold = (text) => {
  let folded = text.normalize("NFKC").replace(DROPPED, "");
  for (const [letter, forms] of Object.entries(LETTERS)) folded = folded.replace(forms, letter);
  folded = folded.replace(/[٠-٩۰-۹]/g, (digit) => String(digit.charCodeAt(0) & 15));
  return folded.toLowerCase().replace(/\s+/g, " ").trim();
};

// ── The list ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const PAGE = 50; // rows
const NAMED = 500; // articles that the field proposes
const [DOC, FACETS, START, TEXT, LINES, SCORE] = [0, 1, 2, 3, 4, 5]; // of a row
const [FROM, TO, TYPE, OWN, SURE, AT, END] = [0, 1, 2, 3, 4, 5, 6]; // of a mark

const list = (data) => {
  const { docs, facets, lines, rows, types } = data;
  const selects = [...document.querySelectorAll("[data-facet]")];
  const feed = byId("feed");
  const folded = []; // texts to search, made as they are needed
  let found = rows.map((_, number) => number);
  let selected = 0; // place in `found`

  const valueOf = (row, facet) => facets[facet].values[row[FACETS][facet]];
  const foldedText = (number) => (folded[number] ??= fold(rows[number][TEXT]));

  // Filtering

  const wanted = () => ({
    facets: selects.map((select) => (select.value === "" ? null : Number(select.value))),
    doc: byId("doc").value.trim().toLowerCase(),
    query: fold(byId("query").value),
    order: byId("order").value,
  });

  const filter = (focus = false) => {
    const { facets: chosen, doc, query, order } = wanted();
    const named = doc && docs.map((name) => name.toLowerCase().includes(doc));
    const counts = facets.map((facet) => new Array(facet.values.length).fill(0));
    found = [];
    rows.forEach((row, number) => {
      if ((named && !named[row[DOC]]) || (query && !foldedText(number).includes(query))) return;
      const misses = chosen.filter((value, facet) => value !== null && row[FACETS][facet] !== value).length;
      if (!misses) found.push(number);
      // A facet counts what the other filters leave.
      row[FACETS].forEach((value, facet) => {
        const own = chosen[facet] !== null && chosen[facet] !== value;
        if (misses === Number(own)) counts[facet][value] += 1;
      });
    });
    if (order !== "place") {
      const sign = order === "sure" ? -1 : 1;
      const score = (number) => rows[number][SCORE];
      found.sort((a, b) => (score(a) === null) - (score(b) === null) || sign * (score(a) - score(b)) || a - b);
    }
    selects.forEach((select, facet) => fill(select, facet, counts[facet]));
    remember();
    show(0, focus);
  };

  const fill = (select, facet, counts) => {
    if (!select.options.length) {
      select.append(element("option", { value: "" }));
      const numbers = facets[facet].values.map((_, number) => number);
      numbers.sort((a, b) => counts[b] - counts[a]);
      for (const number of numbers) select.append(element("option", { value: number }));
    }
    for (const option of select.options) {
      const number = option.value;
      const total = counts.reduce((sum, count) => sum + count, 0);
      option.textContent = number === "" ? `any (${total})` : `${plain(facets[facet].values[number])} (${counts[number]})`;
    }
  };

  // A filtered list has an address, to be sent to somebody: #errors?kind=missed&query=...
  const remember = () => {
    const asked = new URLSearchParams();
    selects.forEach((select, facet) => {
      if (select.value !== "") asked.set(facets[facet].key, facets[facet].values[select.value]);
    });
    for (const id of ["doc", "query"]) if (byId(id).value) asked.set(id, byId(id).value);
    if (byId("order").value !== "place") asked.set("order", byId("order").value);
    const hash = asked.size ? `#errors?${asked}` : location.hash.startsWith("#errors?") ? "#errors" : location.hash;
    if (hash !== location.hash) history.replaceState(null, "", hash);
  };

  const recall = () => {
    const asked = new URLSearchParams(location.hash.split("?")[1] ?? "");
    selects.forEach((select, facet) => {
      const number = facets[facet].values.indexOf(asked.get(facets[facet].key));
      select.value = number < 0 ? "" : String(number);
    });
    for (const id of ["doc", "query"]) byId(id).value = asked.get(id) ?? "";
    byId("order").value = asked.get("order") ?? "place";
    if (byId("order").selectedIndex < 0) byId("order").value = "place";
    filter();
    if (location.hash.includes("?")) byId("errors").scrollIntoView();
  };

  // Showing

  const show = (place, focus) => {
    selected = Math.max(0, Math.min(found.length - 1, place));
    const first = selected - (selected % PAGE);
    if (feed.dataset.first !== String(first) || feed.found !== found) {
      feed.dataset.first = first;
      feed.found = found;
      feed.setAttribute("aria-busy", "true");
      feed.replaceChildren(...found.slice(first, first + PAGE).map((number, at) => rowOf(number, first + at)));
      feed.setAttribute("aria-busy", "false");
    }
    for (const row of feed.children) {
      const own = Number(row.dataset.place) === selected;
      row.tabIndex = own ? 0 : -1;
      if (own) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
      if (own && focus) {
        row.focus({ preventScroll: true });
        row.scrollIntoView({ block: "nearest" });
      }
    }
    say(first);
  };

  const say = (first) => {
    const many = (count) => count.toLocaleString("en");
    const text = found.length === rows.length ? many(rows.length) : `${many(found.length)} of ${many(rows.length)}`;
    if (byId("status").textContent !== text) byId("status").textContent = text;
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    byId("pages").textContent = `page ${many(first / PAGE + 1)} of ${many(pages)}`;
    byId("previous").disabled = first === 0;
    byId("next").disabled = first + PAGE >= found.length;
  };

  const turn = (pages, focus) => {
    const first = selected - (selected % PAGE) + pages * PAGE;
    if (first >= 0 && first < found.length) show(first, focus);
  };

  const rowOf = (number, place) => {
    const row = rows[number];
    const title = element("h3", { id: `row-${number}` }, plain(valueOf(row, 0)));
    const header = element("header", {}, title);
    const spoken = new Set(lines.map((line) => facets.findIndex((facet) => facet.key === line.facet)));
    const rest = row[FACETS].map((_, facet) => facet).filter((facet) => facet && !spoken.has(facet));
    if (rest.length) header.append(element("span", {}, typesOf(rest.map((facet) => plain(valueOf(row, facet))))));
    header.append(element("span", { class: "place" }, element("bdi", {}, plain(docs[row[DOC]])), ` ${placeOf(row)}`));
    if (row[SCORE] !== null) header.append(element("span", { class: "place" }, `score ${row[SCORE].toFixed(2)}`));
    const body = element("div", { class: "lines" }, ...lines.map((_, line) => lineOf(row, line)));
    const made = { class: "row", "aria-labelledby": `row-${number}`, "aria-posinset": place + 1, "aria-setsize": found.length };
    return element("article", { ...made, "data-place": place, "data-row": number }, header, body);
  };

  const typesOf = (names) => names.filter((name, place) => names.indexOf(name) === place).join(" → ");

  const ownOf = (row) => row[LINES].flat().filter((mark) => mark[OWN]);
  const placeOf = (row) => {
    const own = ownOf(row);
    return own.length ? `${Math.min(...own.map((m) => m[AT]))}–${Math.max(...own.map((m) => m[END]))}` : "";
  };

  const lineOf = (row, line) => {
    const facet = facets.findIndex((each) => each.key === lines[line].facet);
    const label = facet < 0 ? lines[line].label : `${lines[line].label}: ${plain(valueOf(row, facet))}`;
    const direction = directionOf(row[TEXT]);
    const text = element("p", { class: "text", dir: direction, ...(direction === "rtl" ? { lang: "ar" } : {}) });
    weave(text, row[TEXT], marksOf(row, line));
    return element("div", { class: "line", role: "group", "aria-label": label }, element("span", { class: "side" }, label), text);
  };

  // The marks of a line; where it has none of its own, a frame shows where those of the other lines are.
  const marksOf = (row, line) => {
    const marks = row[LINES][line].map((mark) => ({ from: mark[FROM], to: mark[TO], kind: mark[OWN] ? "own" : "other", mark }));
    if (marks.some(({ kind }) => kind === "own")) return marks;
    const ghosts = ownOf(row).slice(0, 1).map((mark) => ({ from: mark[FROM], to: mark[TO], kind: "ghost", mark }));
    const crosses = (a, b) => a.from < b.to && b.from < a.to && (a.from - b.from) * (a.to - b.to) > 0;
    return [...marks, ...ghosts.filter((ghost) => !marks.some((mark) => crosses(ghost, mark)))];
  };

  const weave = (parent, text, marks) => {
    marks.sort((a, b) => a.from - b.from || b.to - a.to);
    const open = [{ node: parent, to: text.length }];
    let place = 0;
    const close = (until) => {
      for (;;) {
        const { node, to } = open.at(-1);
        const end = Math.min(to, until);
        if (place < end) appendText(node, text.slice(place, end));
        place = Math.max(place, end);
        if (open.length === 1 || to > until) return;
        open.pop();
      }
    };
    for (const each of marks) {
      close(each.from);
      const node = markOf(each);
      if (open.length > 1) node.classList.add("inner");
      open.at(-1).node.append(node);
      open.push({ node, to: Math.min(each.to, open.at(-1).to) }); // spans do not cross; should they, the inner is cut
    }
    close(text.length);
  };

  const markOf = ({ kind, mark }) => {
    if (kind === "ghost") return element("mark", { class: "ghost" });
    const score = mark[SURE] === null ? "" : ` ${mark[SURE].toFixed(2)}`;
    const type = plain(types[mark[TYPE]]);
    return element("mark", { class: kind, "data-type": type, title: `${type}${score}` });
  };

  const details = (row) => {
    const opened = row.querySelector(".details");
    if (opened) return opened.remove();
    const shown = rows[Number(row.dataset.row)];
    const made = element("dl", { class: "details" });
    lines.forEach((line, number) => {
      made.append(element("dt", {}, line.label));
      const marks = [...shown[LINES][number]].sort((a, b) => a[FROM] - b[FROM] || b[TO] - a[TO]);
      for (const mark of marks) made.append(element("dd", {}, ...described(mark, shown[TEXT])));
      if (!marks.length) made.append(element("dd", {}, "nothing"));
    });
    row.append(made);
    row.scrollIntoView({ block: "nearest" });
  };

  const described = (mark, text) => {
    const shown = text.slice(mark[FROM], mark[TO]);
    const cut = [...shown].length < mark[END] - mark[AT] ? "…" : "";
    const surface = element(mark[OWN] ? "b" : "span", {}, element("bdi", {}, plain(shown).trim() + cut));
    const score = mark[SURE] === null ? "" : `, score ${mark[SURE].toFixed(3)}`;
    return [`${plain(types[mark[TYPE]])} `, surface, ` [${mark[AT]}, ${mark[END]})${score}`];
  };

  // Pointer and keyboard

  feed.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (row && !String(getSelection())) show(Number(row.dataset.place), true);
  });
  feed.addEventListener("dblclick", (event) => { const row = event.target.closest(".row"); if (row) details(row); });
  feed.addEventListener("focusin", (event) => {
    const row = event.target.closest(".row");
    if (row && Number(row.dataset.place) !== selected) show(Number(row.dataset.place), false);
  });

  const inList = (node) => feed.contains(node) || node === document.body;
  const current = () => feed.querySelector("[aria-current]");
  const moves = {
    j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
    Home: () => show(0, true), End: () => show(found.length - 1, true),
    "]": () => turn(1, true), "[": () => turn(-1, true),
    Enter: () => { if (current()) details(current()); },
  };
  // The first key brings the focus into the list, the next ones move it.
  const step = (by) => show(feed.contains(document.activeElement) ? selected + by : selected, true);
  const NATIVE = ["ArrowDown", "ArrowUp", "Home", "End", "Enter"]; // outside the list these scroll and press buttons

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const node = event.target;
    const typing = node.matches?.("input, select, textarea");
    if (event.key === "Escape" && typing) { event.preventDefault(); show(selected, true); return; }
    if (typing) return;
    if (event.key === "/") { event.preventDefault(); byId("query").focus(); byId("query").select(); return; }
    const usable = NATIVE.includes(event.key) ? feed.contains(node) : inList(node);
    if (usable && event.key in moves) { event.preventDefault(); moves[event.key](); }
  });

  let waiting = 0;
  const soon = () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); }; // ms; a word is typed faster than it is sought
  for (const id of ["query", "doc"]) byId(id).addEventListener("input", soon);
  for (const select of [...selects, byId("order")]) select.addEventListener("change", () => filter());
  byId("previous").addEventListener("click", () => turn(-1, false));
  byId("next").addEventListener("click", () => turn(1, false));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());

  const clear = () => {
    for (const select of selects) select.value = "";
    for (const id of ["query", "doc"]) byId(id).value = "";
    byId("order").value = "place";
  };
  byId("clear").addEventListener("click", () => { clear(); filter(); });

  // Tables and charts above the list pick what it shows.
  const pick = (asked) => {
    clear();
    facets.forEach((facet, number) => {
      const value = facet.values.indexOf(asked[facet.key]);
      if (asked[facet.key] !== undefined) selects[number].value = value < 0 ? "" : String(value);
    });
    filter(true);
    byId("errors").scrollIntoView();
  };
  for (const button of document.querySelectorAll(".pick")) {
    const asked = Object.entries(button.dataset).map(([name, value]) => [name.replace("pick", "").toLowerCase(), value]);
    button.addEventListener("click", () => pick(Object.fromEntries(asked)));
  }
  for (const square of document.querySelectorAll(".square.wrong")) {
    square.addEventListener("click", () => pick({ gold: square.dataset.gold, predicted: square.dataset.predicted }));
  }

  byId("docs").append(...docs.slice(0, NAMED).map((name) => element("option", { value: plain(name) })));
  window.addEventListener("hashchange", () => { if (location.hash.startsWith("#errors?")) recall(); });
  recall();

  // While nothing else is to be done, the texts are folded, so that the first search does not wait.
  const idle = window.requestIdleCallback ?? ((work) => setTimeout(() => work({ timeRemaining: () => 5 }), 50));
  const ahead = (deadline) => {
    let number = folded.length;
    while (number < rows.length && deadline.timeRemaining() > 1) foldedText(number++);
    if (number < rows.length) idle(ahead);
  };
  idle(ahead);
};

const source = byId("data");
if (source) list(JSON.parse(source.textContent));
