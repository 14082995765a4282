// What the controls of messages do in the browser: edit in place, answer again, versions, branches, their keys.
// A question's words are read from the page as text and written as text.
(() => {
  if (window.assistantConversation) return;
  const $ = (selector, within = document) => within.querySelector(selector);
  let fromBottom = null;

  const isRunning = () => Boolean($("#live .turn.running"));
  const words = (question) => $("p", question).textContent;

  function send(trigger, text, instead, was) {
    if (isRunning() || !text.trim()) return;
    window.assistantPage.follow(true);
    trigger("ask", { text, instead, was });
    $("#question textarea")?.focus();
  }

  function button(label, kind, onclick) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = kind;
    made.textContent = label;
    made.onclick = onclick;
    return made;
  }

  function grow(area) {
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
  }

  // In the place of the question stands a box with its words; `back` is where the keyboard was.
  function edit(question, trigger, back) {
    if (isRunning() || $(".edit", question)) return;
    giveUp();
    const form = document.createElement("div");
    const area = document.createElement("textarea");
    form.className = "edit";
    area.value = words(question);
    area.setAttribute("aria-label", "Edit your question");
    const done = () => send(trigger, area.value, question.dataset.message, words(question));
    form.giveUp = () => {
      form.remove();
      question.classList.remove("editing");
      back?.focus();
    };
    area.oninput = () => grow(area);
    area.onkeydown = (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      done();
    };
    const row = document.createElement("div");
    row.className = "edit-row";
    row.append(button("Cancel", "text-button", form.giveUp), button("Send", "text-button strong", done));
    form.append(area, row);
    question.classList.add("editing");
    question.prepend(form);
    grow(area);
    window.assistantPage.follow(false);
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  }

  function giveUp() {
    const open = $(".edit");
    if (open) open.giveUp();
    return Boolean(open);
  }

  function closeMenus(but) {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(but)) menu.open = false;
  }

  function go(from, trigger) {
    if (isRunning()) return;
    const scroller = $("#scroller");
    window.assistantPage.follow(false);
    if (from.dataset.go === "earlier") fromBottom = scroller.scrollHeight - scroller.scrollTop;
    closeMenus();
    trigger("go", { name: from.dataset.go, id: from.dataset.id });
  }

  // Above what is read, messages were added: it stays where it is on the screen.
  function redrawn(element) {
    if (fromBottom === null || element.closest("#live")) return;
    const scroller = $("#scroller");
    scroller.scrollTop = scroller.scrollHeight - fromBottom;
    fromBottom = null;
  }

  function keys(event) {
    const box = $("#question textarea");
    if (event.key === "Escape") {
      const menu = $("details.menu[open]");
      if (menu) {
        menu.open = false;
        $("summary", menu).focus();
      } else if (!giveUp()) return;
      event.stopImmediatePropagation();
      event.preventDefault();
    } else if (event.key === "ArrowUp" && event.target === box && !box.value && !isRunning()) {
      const edits = document.querySelectorAll("#thread [data-edit], #live [data-edit]");
      if (!edits.length) return;
      event.preventDefault();
      edits[edits.length - 1].dispatchEvent(new CustomEvent("edit", { bubbles: true, detail: box }));
    }
  }

  window.assistantConversation = {
    start() {
      document.addEventListener("keydown", keys, true);
      document.addEventListener("click", (event) => closeMenus(event.target));
    },
    connect(element, trigger, watch) {
      element.addEventListener("click", (event) => {
        const from = event.target.closest("button[data-edit], button[data-anew], button[data-go]");
        if (!from || from.disabled) return;
        if ("edit" in from.dataset) edit(from.closest(".question"), trigger, from);
        else if ("go" in from.dataset) go(from, trigger);
        else send(trigger, words(from.closest(".turn").previousElementSibling), from.dataset.anew, "");
      });
      element.addEventListener("edit", (event) => edit(event.target.closest(".question"), trigger, event.detail));
      watch("value", () => redrawn(element));
    },
  };
  window.assistantConversation.start();
})();
