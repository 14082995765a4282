// What the page does in the browser: buttons that stand in drawn HTML, the dialog, the keyboard, the drawer of a phone.
// Text from outside is only ever read from data attributes and set as text.
(() => {
  if (window.assistantPage) return;
  const $ = (selector, within = document) => within.querySelector(selector);
  const opened = new Set();
  let stick = true;
  let early = false;
  let met = false;
  let acted = null;

  const isRunning = () => Boolean($("#live .turn.running"));
  const box = () => $("#question textarea");
  // Until the server has said whose conversation this is, nothing is asked: what was sent before that is sent then.
  const known = () => Boolean($("#conversations [data-conversation]"));

  function fill(text) {
    const area = box();
    if (!area) return;
    area.value = text;
    area.dispatchEvent(new Event("input", { bubbles: true }));
    area.focus();
  }

  // Folds: a drawn HTML is drawn again while it streams, so what was opened is opened again.
  function toggled(fold) {
    if (!fold.dataset.key) return;
    if (fold.open) opened.add(fold.dataset.key);
    else opened.delete(fold.dataset.key);
  }

  function redrawn(element) {
    for (const fold of element.querySelectorAll("details[data-key]")) if (opened.has(fold.dataset.key)) fold.open = true;
    const failed = $("[data-failed]", element);
    if (failed && failed !== redrawn.failed && box() && !box().value) fill(failed.dataset.failed);
    redrawn.failed = failed;
    window.assistantEvidence.redrawn(element);
    const kept = $("[data-conversation]", element);
    if (kept) {
      sessionStorage.setItem("assistant", JSON.stringify({ ...kept.dataset }));
      // What the address or the user asked for meanwhile.
      if (!met && location.hash) $(`#open-${CSS.escape(location.hash.slice(1))}`)?.click();
      met = true;
      if (early) setTimeout(() => $("#send").click());
      early = false;
    }
    refocus(element);
  }

  // What a button did may have taken it away: the keyboard goes on at what undoes it, or at what stands in its place.
  function refocus(element) {
    if (acted?.element !== element || document.activeElement !== document.body) return;
    const entries = element.querySelectorAll(".entry");
    const place = $(".undo", element) || entries[Math.max(0, Math.min(acted.at, entries.length - 1))];
    (place ? $("button", place) : $("#new"))?.focus();
    acted = null;
  }

  async function copy(button) {
    const text = button.dataset.copy || $("code", button.closest(".code")).textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without HTTPS, under another address than this machine's, there is no clipboard but the old way.
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1200);
  }

  function showSource(button) {
    const fold = $(`[data-citation="${button.dataset.cite}"]`, button.closest(".turn"));
    if (!fold) return;
    fold.open = true;
    toggled(fold);
    fold.scrollIntoView({ block: "nearest", behavior: "smooth" });
    fold.classList.add("pointed");
    setTimeout(() => fold.classList.remove("pointed"), 1600);
  }

  function dialog() {
    let made = $("#page-dialog");
    if (made) return made;
    made = document.createElement("dialog");
    made.id = "page-dialog";
    made.innerHTML =
      '<form method="dialog"><label><span></span><input type="text" maxlength="200" autocomplete="off"></label>' +
      '<menu><button value="" type="submit" class="no" formnovalidate>Cancel</button><button value="yes" type="submit" class="yes"></button></menu></form>';
    document.body.append(made);
    return made;
  }

  // Resolves to null (cancelled), "" (confirmed), or what was typed.
  function askFirst(data) {
    if (!data.confirm && !data.prompt) return Promise.resolve("");
    const made = dialog();
    const input = $("input", made);
    $("span", made).textContent = data.confirm || data.prompt;
    $(".yes", made).textContent = data.yes || "Save";
    $(".yes", made).classList.toggle("danger", Boolean(data.confirm));
    input.hidden = !data.prompt;
    input.value = data.prompt ? data.value || "" : "";
    made.returnValue = "";
    // The form's first button is what Enter presses; it must be the one that saves.
    input.onkeydown = (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      made.close("yes");
    };
    made.showModal();
    (data.prompt ? input : $(".no", made)).focus();
    if (data.prompt) input.select();
    return new Promise((resolve) => {
      // The event comes late: by then the dialog may be open again, for another question.
      made.onclose = () => { if (!made.open) resolve(made.returnValue === "yes" ? input.value : null); };
    });
  }

  async function act(element, button, trigger) {
    if (window.assistantEvidence.act(button, trigger)) return;
    const { act: name, id, score, ...data } = button.dataset;
    const value = await askFirst(data);
    if (value === null || (data.prompt && !data.empty && !value.trim())) return;
    if (name === "open") {
      drawer(false);
      close();
    }
    acted = { element, at: [...element.querySelectorAll(".entry")].indexOf(button.closest(".entry")) };
    trigger("act", { act: name, id, score, value });
  }

  function ask(button, trigger) {
    const text = button.dataset.ask;
    if (text.endsWith("…")) fill(text.slice(0, -1));
    else if (!isRunning()) {
      stick = true;
      trigger("ask", { text, instead: button.dataset.instead || "", was: "" });
    }
  }

  function drawer(open) {
    if (!open && $("#side")?.contains(document.activeElement) && document.body.classList.contains("side-open")) $("#menu")?.focus();
    document.body.classList.toggle("side-open", open);
    $("#menu")?.setAttribute("aria-expanded", String(open));
  }

  // A view stands in the address, so that a reload shows it again and the browser's back button leaves it.
  function view() {
    const button = $(`#open-${CSS.escape(location.hash.slice(1) || "none")}`);
    for (const other of document.querySelectorAll(".open-view")) other.setAttribute("aria-pressed", String(other === button));
    const name = button ? location.hash.slice(1) : "";
    if (document.body.dataset.view === name) return;
    document.body.dataset.view = name;
    drawer(false);
    if (name) $(`#view-${name} h2`)?.focus();
    else box()?.focus();
  }

  function show(name) {
    if (location.hash === `#${name}`) view();
    else location.hash = name; // and the browser tells when it changed
  }

  const close = () => { if (location.hash) history.pushState(null, "", location.pathname + location.search); view(); };

  // The newest question stays in sight while its answer grows; who scrolls up is left alone.
  function follow() {
    const scroller = $("#scroller");
    const questions = scroller.querySelectorAll(".question");
    const newest = questions[questions.length - 1];
    const bottom = scroller.scrollHeight - scroller.clientHeight;
    const top = newest ? newest.getBoundingClientRect().top - scroller.getBoundingClientRect().top + scroller.scrollTop - 20 : bottom;
    if (stick) scroller.scrollTop = Math.min(bottom, top);
  }

  function keys(event) {
    if (event.key === "Escape" && !$("#page-dialog")?.open) {
      if (document.body.classList.contains("side-open")) drawer(false);
      else if (document.body.dataset.view) close();
      else if (isRunning()) $("#stop")?.click();
    }
    if (event.key === "Enter" && !event.shiftKey && event.target === box()) {
      if (event.isComposing || isRunning() || !known()) event.stopImmediatePropagation();
      if (isRunning() || !known()) event.preventDefault();
      if (!known() && box().value.trim() && !event.isComposing) early = true;
      stick ||= !isRunning();
    }
  }

  // Files dropped anywhere go to the upload button, which is there once its section is open.
  async function dropped(event) {
    const files = event.dataTransfer?.files;
    if (!files?.length) return;
    event.preventDefault();
    const kept = new DataTransfer();
    for (const file of files) kept.items.add(file);
    const input = () => $("#documents-section input[type=file]");
    if (!input()) $("#documents-section > button")?.click();
    for (let tries = 0; !input() && tries < 40; tries++) await new Promise((next) => setTimeout(next, 50));
    if (!input()) return;
    input().files = kept.files;
    input().dispatchEvent(new Event("change", { bubbles: true }));
  }

  window.assistantPage = {
    start(element) {
      element.addEventListener("click", (event) => {
        if (event.target.closest("#menu")) drawer(!document.body.classList.contains("side-open"));
      });
      document.addEventListener("keydown", keys, true);
      document.addEventListener("click", (event) => {
        if (known() || !event.target.closest("#send")) return;
        event.stopImmediatePropagation();
        early = true;
      }, true);
      document.addEventListener("dragover", (event) => event.preventDefault());
      document.addEventListener("drop", dropped);
      document.addEventListener("click", (event) => {
        if (document.body.classList.contains("side-open") && !event.target.closest("#side, #top, dialog")) drawer(false);
        if (event.target.closest("#new, #new-private")) drawer(false);
        if (event.target.closest("#new, #new-private, [data-close-view]")) close();
        const opens = event.target.closest(".open-view");
        if (opens) show(opens.id.slice("open-".length));
        if (event.target.closest("#send")) stick = true;
      });
      const found = setInterval(() => {
        const scroller = $("#scroller");
        if (!scroller) return;
        clearInterval(found);
        $("#side").setAttribute("role", "navigation");
        $("#side").setAttribute("aria-label", "Conversations, documents and memories");
        $("main")?.setAttribute("role", "presentation"); // Gradio's holds the side bar as well
        for (const main of document.querySelectorAll("#main, .view")) main.setAttribute("role", "main"); // one is shown at a time
        $("#thread").setAttribute("role", "log");
        $("#live").setAttribute("aria-live", "polite");
        box()?.setAttribute("aria-label", "Your question");
        window.addEventListener("hashchange", view);
        view();
        new MutationObserver(follow).observe(scroller, { childList: true, subtree: true, characterData: true });
        scroller.addEventListener("wheel", (event) => { if (event.deltaY < 0) stick = false; }, { passive: true });
        scroller.addEventListener("touchmove", () => { stick = false; }, { passive: true });
      }, 50);
    },

    connect(element, trigger, watch) {
      element.addEventListener("click", (event) => {
        const button = event.target.closest("button[data-ask], button[data-act], button[data-copy], button[data-cite]");
        if (!button || button.disabled) return;
        if ("ask" in button.dataset) ask(button, trigger);
        else if ("act" in button.dataset) act(element, button, trigger);
        else if ("copy" in button.dataset) copy(button);
        else showSource(button);
      });
      element.addEventListener("click", (event) => {
        const fold = event.target.closest("summary")?.parentElement;
        if (fold) setTimeout(() => toggled(fold));
      });
      window.assistantEvidence.connect(element, trigger);
      // Who looks at what was said is not to be moved away from it by what comes there.
      const leave = (event) => { if (!event.target.closest("[data-ask]")) stick = false; };
      if (element.closest("#scroller")) for (const name of ["click", "focusin"]) element.addEventListener(name, leave);
      watch("value", () => redrawn(element));
      redrawn(element);
      window.assistantConversation.connect(element, trigger, watch);
    },

    // Whether the newest question is to stay in sight from now on.
    follow(newest) {
      stick = newest;
    },

    download(element, watch) {
      watch("value", () => $("a[download]", element)?.click());
    },
  };
})();
