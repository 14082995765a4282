// What a reader does with what stands under an answer: sort and search rows, choose a chart, run a query changed, judge, look at a quotation.
// Drawn HTML is drawn again with the next question, so what was done to it is kept here and done again.
window.assistantEvidence = (() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const kept = { rows: new Map(), chart: new Map(), typed: new Map(), slot: new Map() };
  const given = new WeakMap(); // the rows of a table in the order in which they came
  const pressed = new Map(); // of an answer, the thumb that was pressed before
  const PATIENCE = 30000; // milliseconds until somebody who waits is told so; longer than a query may take, unless it was set otherwise
  let last = ""; // the number of the last reply
  const words = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  // Rows

  function value(row, column, number) {
    const cell = row.cells[column];
    if (!cell || $(".null", cell)) return null;
    if (!number) return cell.textContent;
    const read = Number(cell.textContent.replace("inf", "Infinity"));
    return Number.isNaN(read) ? null : read;
  }

  // What has no value stands last, whichever way; equal rows stay in the order in which they came.
  function sorted(rows, column, direction, number) {
    if (!direction) return rows;
    const compare = number ? (one, other) => one - other : words.compare;
    const keyed = rows.map((row) => [value(row, column, number), row]);
    const last = keyed.filter(([key]) => key === null);
    const rest = keyed.filter(([key]) => key !== null).sort(([one], [other]) => compare(one, other) * direction);
    return [...rest, ...last].map(([, row]) => row);
  }

  function arrange(box) {
    const { column, direction = 0, find = "" } = kept.rows.get(box.dataset.rows) ?? {};
    const body = $("tbody", box), heads = $$("th", box), note = $(".rows-note", box), input = $(".rows-find", box);
    if (!given.has(body)) given.set(body, [...body.rows]);
    note.dataset.whole ??= note.textContent;
    for (const head of heads) head.removeAttribute("aria-sort");
    if (direction) heads[column]?.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    const rows = given.get(body);
    body.append(...sorted(rows, column, direction, heads[column]?.classList.contains("number")));
    const sought = find.trim().toLocaleLowerCase();
    let found = 0;
    for (const row of rows) {
      row.hidden = Boolean(sought) && ![...row.cells].some((cell) => cell.textContent.toLocaleLowerCase().includes(sought));
      if (!row.hidden) found += 1;
    }
    const said = sought ? `${found} of ${rows.length} rows hold that.` : note.dataset.whole;
    if (note.textContent !== said) note.textContent = said;
    if (input && input.value !== find) input.value = find;
  }

  function keep(box, change) {
    kept.rows.set(box.dataset.rows, { ...kept.rows.get(box.dataset.rows), ...change });
    arrange(box);
  }

  // Up, down, as it came.
  function sort(button) {
    const box = button.closest("[data-rows]"), column = button.closest("th").cellIndex;
    const before = kept.rows.get(box.dataset.rows);
    const direction = before?.column === column ? { 1: -1, "-1": 0 }[before.direction] ?? 1 : 1;
    keep(box, { column, direction });
  }

  // Charts

  function choose(box) {
    const kind = kept.chart.get(box.dataset.charts);
    if (!kind) return;
    for (const chart of $$("[data-kind]", box)) chart.hidden = chart.dataset.kind !== kind;
    for (const input of $$("input", box)) input.checked = input.value === kind;
  }

  // What the server says has a place, and stays there

  function put(place, nodes) {
    for (const slot of $$(`[data-slot="${CSS.escape(place)}"]`)) slot.replaceChildren(...nodes.map((node) => node.cloneNode(true)));
  }

  function wait(place) {
    const line = document.createElement("p");
    line.className = "quiet waiting";
    line.textContent = "One moment …";
    line.setAttribute("role", "status");
    put(place, [line]);
    setTimeout(() => {
      for (const late of $$(`[data-slot="${CSS.escape(place)}"] > .waiting`)) late.textContent = "Still waiting. If nothing comes, try it again.";
    }, PATIENCE);
  }

  function replied(reply) {
    const { reply: place, of } = reply.dataset, nodes = [...reply.childNodes];
    if (!nodes.length) return;
    for (const inner of $$("[data-slot]", reply)) kept.slot.delete(inner.dataset.slot);
    kept.slot.set(place, nodes);
    put(place, nodes);
    const refused = Boolean($(".notice", reply)), answer = place.slice(0, place.lastIndexOf(":"));
    if (of === "feedback" && refused) press(answer, pressed.get(answer));
    if (of === "correct" && !refused) press(answer, "-1");
    for (const slot of $$(`[data-slot="${CSS.escape(place)}"]`)) again(slot);
    const table = $("[data-rows] .rows-note, .rows-none", reply);
    if (table) say(table.textContent);
  }

  function say(text) {
    let line = $("#evidence-said");
    if (!line) {
      line = document.createElement("p");
      line.id = "evidence-said";
      line.className = "unseen";
      line.setAttribute("role", "status");
      document.body.append(line);
    }
    line.textContent = text;
  }

  // Judging

  const thumbs = (answer) => $$(`.turn[data-answer="${CSS.escape(answer)}"] [data-score]`);
  const press = (answer, score) => thumbs(answer).forEach((thumb) => thumb.setAttribute("aria-pressed", String(thumb.dataset.score === score)));

  // Whether there is something new to keep.
  function judged(button) {
    const { id, score, for: place } = button.dataset;
    const before = thumbs(id).find((thumb) => thumb.getAttribute("aria-pressed") === "true")?.dataset.score;
    press(id, score);
    const fold = $(".judge", button.closest(".turn"));
    if (score === "-1" && fold) {
      if (!fold.open) $("summary", fold).click();
      $("input", fold).focus();
    }
    if (before === score) return false;
    pressed.set(id, before);
    kept.slot.delete(place);
    put(place, []);
    return true;
  }

  // True where the button is one of these.
  function act(button, trigger) {
    const { act: name, id, score, value, for: place } = button.dataset;
    if (name === "said") trigger("said", { id });
    else if (place === undefined) return false;
    else if (name !== "feedback" || judged(button)) {
      if (name !== "feedback") wait(place);
      trigger("act", { act: name, id, score, value, for: place });
    }
    return true;
  }

  function send(form, trigger) {
    const { form: name, id, for: place } = form.dataset;
    const data = new FormData(form), sql = form.elements.sql;
    // A query that was not touched corrects nothing.
    const changed = sql && (name === "query" || sql.value.trim() !== sql.defaultValue.trim());
    wait(place);
    trigger("act", { act: name, id, for: place, reason: data.getAll("reason").join(", "), comment: data.get("comment"), sql: changed ? sql.value : null });
  }

  function typed({ target }) {
    if (target.matches(".rows-find")) keep(target.closest("[data-rows]"), { find: target.value });
    else if (target.matches(".kinds input")) {
      const box = target.closest("[data-charts]");
      kept.chart.set(box.dataset.charts, target.value);
      choose(box);
    } else if (target.dataset.typed) kept.typed.set(target.dataset.typed, target.type === "checkbox" ? target.checked : target.value);
  }

  // A quotation while the pointer or the focus is on its mark; the pointer may go over to it, Escape takes it away (WCAG 1.4.13).

  let tip, at, leaving;

  function show(mark) {
    clearTimeout(leaving);
    const source = $(`[data-citation="${CSS.escape(mark.dataset.cite)}"]`, mark.closest(".turn"));
    if (!source || at === mark) return;
    if (!tip) {
      tip = document.createElement("div");
      tip.id = "tip";
      tip.setAttribute("role", "tooltip");
      tip.append(document.createElement("strong"), document.createElement("p"));
      tip.onmouseenter = () => clearTimeout(leaving);
      tip.onmouseleave = hideSoon;
      document.body.append(tip);
    }
    hide();
    const texts = [".source-name", "summary .quiet", "blockquote"].map((part) => $(part, source).textContent);
    tip.firstChild.textContent = texts.slice(0, 2).filter(Boolean).join(", ");
    tip.lastChild.textContent = texts[2];
    tip.hidden = false;
    mark.setAttribute("aria-describedby", "tip");
    at = mark;
    const box = mark.getBoundingClientRect(), below = box.bottom + 6;
    tip.style.left = `${Math.max(8, Math.min(box.left - 20, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${below + tip.offsetHeight > innerHeight - 8 ? Math.max(8, box.top - tip.offsetHeight - 6) : below}px`;
  }

  function hide() {
    clearTimeout(leaving);
    at?.removeAttribute("aria-describedby");
    at = null;
    if (tip) tip.hidden = true;
  }

  function hideSoon() {
    clearTimeout(leaving);
    leaving = setTimeout(hide, 200);
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && at) {
      event.stopImmediatePropagation(); // this Escape stops no turn
      hide();
    }
    const form = event.target.closest?.("form[data-form]");
    if (form && event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) form.requestSubmit();
  }, true);

  function again(element) {
    for (const box of $$("[data-rows]", element)) if (kept.rows.has(box.dataset.rows)) arrange(box);
    for (const box of $$("[data-charts]", element)) choose(box);
    for (const field of $$("[data-typed]", element)) {
      const was = kept.typed.get(field.dataset.typed);
      if (typeof was === "boolean") field.checked = was;
      else if (was !== undefined) field.value = was;
    }
    for (const slot of $$("[data-slot]", element)) if (kept.slot.has(slot.dataset.slot)) {
      slot.replaceChildren(...kept.slot.get(slot.dataset.slot).map((node) => node.cloneNode(true)));
      again(slot);
    }
    if (at && !at.isConnected) hide();
  }

  return {
    act,
    redrawn: again,

    connect(element, trigger) {
      element.addEventListener("click", ({ target }) => { if (target.closest("[data-sort]")) sort(target.closest("[data-sort]")); });
      element.addEventListener("input", typed);
      element.addEventListener("submit", (event) => {
        if (!event.target.dataset.form) return;
        event.preventDefault();
        send(event.target, trigger);
      });
      element.addEventListener("mouseover", ({ target }) => { if (target.closest("[data-cite]")) show(target.closest("[data-cite]")); });
      element.addEventListener("mouseout", ({ target }) => { if (target.closest("[data-cite]")) hideSoon(); });
      element.addEventListener("focusin", ({ target }) => { if (target.matches("[data-cite]:focus-visible")) show(target); });
      element.addEventListener("focusout", ({ target }) => { if (target === at) hide(); });
    },

    // A value may be drawn more than once, in place or anew, and two may come within milliseconds.
    replies(element) {
      const box = element.closest("#reply");
      new MutationObserver(() => {
        const reply = $("[data-reply]", box);
        if (!reply || reply.dataset.number === last) return;
        last = reply.dataset.number;
        replied(reply.cloneNode(true));
      }).observe(box, { childList: true, subtree: true, attributes: true });
    },
  };
})();
