// Drawing: the page's elements are made once, and changed where something changed. All text goes in as text.

import { button, keys, make, say, table } from "./elements.js";
import { COMMANDS, mirrored } from "./input.js";
import { Search } from "./search.js";
import { _, direction, language, list, marked, ngettext, number } from "./texts.js";

const NOTICES = {
  unseen: marked("Not counted: the image has to be in view first."),
  covered: marked("Uncover the image first."),
  damaged: marked("This image is damaged. Skip it, or flag it."),
  nothing: marked("Nothing is chosen yet. Choose labels, or “none of these”."),
  note: marked("Say in the note what is wrong with the image."),
  look: marked("Look a little longer before you answer."),
  full: marked("This browser has no room to keep the answer safely, so it was not taken. Free some space and press Enter again."),
  first: marked("This is the first image."),
  break: marked("You have worked for a while. A break helps: Escape pauses."),
};
const CHECKS = marked("Some images contain words that say what to choose, and some of your answers did not match them. Please look closely at each image before you answer.");
const KINDS = ["none", "unsure", "skip", "flag"];
const KEY_NAMES = { " ": marked("Space"), Enter: marked("Enter"), Backspace: marked("Backspace"), Escape: marked("Escape"), ArrowLeft: "←", ArrowRight: "→" };
const COMMAND = new Map(COMMANDS.toReversed().map(([key, command, name]) => [command, { key, name }])); // by its first key
const STRENGTHS = ["", marked("a little"), marked("clearly"), marked("strongly")];

// What is said of so many answers that wait in this browser.
const WAITING = {
  away: (n) => (n ? ngettext("The database is away: {n} answer waiting in this browser, sent when the server is back",
    "The database is away: {n} answers waiting in this browser, sent when the server is back", n)
    : _("The database is away: answers are kept in this browser and sent when the server is back")),
  offline: (n) => (n ? ngettext("Offline: {n} answer waiting in this browser, sent when the server is back",
    "Offline: {n} answers waiting in this browser, sent when the server is back", n)
    : _("Offline: answers are kept in this browser and sent when the server is back")),
};

export class View {
  // labels: [{label, name, key, group, tone, meaning, also}], in the order shown; task: question, instructions, settings,
  // study (its instructions as HTML); stage: where an earlier view shows the image.
  constructor(root, { labels, task, session, stage }) {
    Object.assign(this, { root, labels, task, session });
    this.command = (command) => session.click({ command });
    this.chips = new Map();
    this.zoom = "fit";
    root.lang = language();
    root.dir = direction();
    root.classList.toggle("strengths", Boolean(task.intensity));
    root.classList.toggle("many", labels.length > 12);
    this.search = new Search(labels, this.chips, task.negations, (label) => session.click({ label }));
    this.buildImage(stage);
    this.buildAnswers();
    this.buildWords();
    this.help = this.buildHelp();
    this.assemble();
    this.measure();
    document.fonts.ready.then(() => this.measure());
    const resized = new ResizeObserver(() => this.reach());
    for (const each of [this.asked, this.choices]) resized.observe(each);
  }

  buildImage(stage) {
    this.stage = stage ?? make("div", { class: "stage", tabindex: "0", role: "group" });
    this.stage.setAttribute("aria-label", _("Image"));
    // What is said, each in a paragraph of its own
    for (const name of ["waiting", "why", "progress", "original", "again", "chosen", "stock"]) this[name] = make("p", { class: name });
    for (const name of ["notice", "status"]) this[name] = make("p", { class: name, role: "status" });
    this.cover = button("", { class: "cover", "data-enter": "own", onclick: () => this.command(this.covered) });
    this.pass = button(_("Skip this image"), { class: "pass quiet", "data-enter": "own", onclick: () => this.command("pass") });
    this.over = make("div", { class: "over", hidden: true }, this.why, this.cover, this.pass);
    this.frame = make("div", { class: "frame" }, this.stage, this.waiting, this.over, this.notice);
  }

  buildAnswers() {
    const { task, session, command } = this;
    this.groups = make("div", { class: "groups", role: "group", "aria-labelledby": "question" });
    this.buildLabels();
    this.pad = task.valenceArousal ? new Pad((axis, value) => session.feel(axis, value)) : null;
    this.choices = make("div", { class: "choices" }, this.groups, this.pad?.element);
    this.kinds = make("div", { class: "kinds", role: "group", "aria-label": _("Other answers") }, ...KINDS.map((kind) => {
      const { key, name } = COMMAND.get(kind);
      return this.chip(`kind:${kind}`, { command: kind }, { key, name: _(name) }, "chip quiet");
    }));
    this.note = make("input", {
      type: "text", class: "note", hidden: true, dir: "auto", maxlength: "2000", placeholder: _("What is wrong with the image?"),
      "aria-label": _("Note"), oninput: () => session.setNote(this.note.value),
      // An empty note keeps the focus: people go on typing it, and what they type must not become answers.
      onkeydown: keys({ Enter: () => command("save"), Escape: () => this.stage.focus({ preventScroll: true }) }),
    });
    const does = (what, looks = "quiet") => {
      const { key, name } = COMMAND.get(what);
      return button(_(name), { class: looks, "aria-keyshortcuts": key === " " ? "Space" : mirrored(key), onclick: () => command(what) });
    };
    [this.backButton, this.forwardButton, this.saveButton] = [does("back"), does("forward"), does("save", "save")];
    this.actions = make("div", { class: "actions" }, this.backButton, this.forwardButton, this.saveButton);
    const find = does("search", "quiet find");
    find.hidden = this.labels.length <= 12;
    this.tools = make("div", { class: "tools" }, find, does("look"), does("pause"), does("help"));
  }

  buildLabels() {
    for (const [group, members] of Map.groupBy(this.labels, (each) => each.group)) {
      const chips = members.map((each) => this.chip(`label:${each.label}`, { label: each.label }, each));
      const heading = group ? make("span", { class: "heading" }, group) : null;
      this.groups.append(make("div", { class: "group" }, heading, make("div", { class: "members" }, ...chips)));
    }
  }

  chip(id, meant, { name, key, meaning, tone, language: lang }, looks = "chip") {
    const chip = button(key ? make("kbd", { "aria-hidden": "true" }, key) : null, {
      class: looks, "aria-pressed": "false", "aria-keyshortcuts": key, title: meaning, "data-tone": tone, onclick: () => this.session.click(meant),
    }, make("span", { class: "mark", "aria-hidden": "true" }, "✓"), make("span", { class: "name", dir: "auto", lang }, name),
    make("span", { class: "strength" }));
    this.chips.set(id, chip);
    return chip;
  }

  buildWords() {
    const { task } = this;
    this.bar = make("progress", { max: "1", value: "0", "aria-label": _("Progress") });
    this.question = make("h2", { class: "question", id: "question" }, task.question);
    this.came = task.practice ? make("p", { class: "again", role: "alert" }) : null; // of the last try
    this.asked = make("div", { class: "asked", role: "group", "aria-labelledby": "question" },
      this.question, this.original, this.again, this.came);
    this.alerts = make("div", { class: "alerts" });
    this.says = make("div", { class: "says" }, this.status, this.stock, this.alerts);
    this.beside = make("div", { class: "beside", hidden: !task.study, tabindex: "0", role: "region", "aria-label": _("Instructions") });
  }

  buildHelp() {
    const { task } = this;
    const named = (key) => make("kbd", {}, _(KEY_NAMES[mirrored(key)] ?? key));
    const commands = COMMANDS.map(([key, , name, what]) => [named(key), _(what ?? name)]);
    const labels = this.labels.map(({ name, key, meaning }) => [key ? named(key) : "",
      make("th", { scope: "row" }, make("bdi", {}, name)), make("bdi", {}, meaning ?? "")]);
    const instructions = make("div", { class: "instructions" }, task.instructions);
    if (task.study) {
      instructions.innerHTML = task.study.instructions; // the server's own tags alone: all that people wrote is escaped in it
      this.beside.append(instructions.cloneNode(true)); // where there is room under the answers
    }
    const close = button(_("Close"), { "data-enter": "own", autofocus: true, onclick: () => this.help.close() });
    return make("dialog", { class: "dialog help", "aria-labelledby": "help-title" },
      make("div", { class: "top" }, make("h2", { id: "help-title" }, _("Help")), close), instructions,
      make("div", { class: "columns", tabindex: "0", role: "group", "aria-label": _("Keys and labels") },
        table({ caption: _("Keys") }, ...commands), table({ caption: _("Labels") }, ...labels)),
      make("p", {}, _("Images that are on this device can be answered without a connection; answers wait here until it is back. Please do not reload the page until then: it would not open again. Your answers are safe.")),
      task.intensity ? make("p", {}, _("The same key again says how strongly: a little, clearly, strongly.")) : null);
  }

  assemble() {
    this.root.replaceChildren(this.frame,
      make("div", { class: "strip" }, make("div", { class: "how" }, this.progress, this.bar), this.tools),
      make("div", { class: "panel" }, this.asked, this.search.field, this.search.says, this.choices, this.kinds, this.note,
        this.chosen, this.actions, this.says, this.beside),
      this.help);
  }

  // The columns of labels are as wide as the longest name.
  measure() {
    this.groups.classList.add("measured");
    const widths = this.labels.map(({ label }) => this.chips.get(`label:${label}`).getBoundingClientRect().width);
    this.groups.classList.remove("measured");
    const widest = Math.ceil(Math.max(...widths));
    if (widest > 0) this.root.style.setProperty("--widest", `${widest}px`); // at the end there are none in sight
    this.reach();
    this.fit();
  }

  // What scrolls is reached by keys; where all labels are in sight, so is what is chosen.
  reach() {
    const { root, asked, choices } = this;
    root.dataset.scrolls = "false";
    root.dataset.scrolls = String(choices.scrollHeight > choices.clientHeight);
    for (const each of [asked, choices]) each.tabIndex = each.scrollHeight > each.clientHeight ? 0 : -1;
  }

  // Changes

  showPicture(element) {
    this.stage.replaceChildren(...(element ? [element] : []));
    this.zoom = "fit";
    this.fit();
    this.drawWaiting();
  }

  drawWaiting() {
    const { session } = this;
    let text = "";
    const part = this.stage.firstChild !== null;
    if (session.broken) text = part ? _("This image is damaged: a part of it is missing. Skip it, or flag it.") : _("This image cannot be shown. Skip it, or flag it.");
    else if (session.item === null && session.finished) text = this.task.finished;
    else if (session.item === null) {
      text = session.outbox.online ? _("Loading the next image …")
        : session.outbox.away ? _("The server's database is away. The next image comes when it is back.")
          : _("No connection. The next image comes when the server is back.");
    }
    say(this.waiting, text);
    this.waiting.hidden = text === "";
    this.frame.dataset.damaged = String(session.broken && part);
  }

  draw() {
    this.drawItem();
    this.drawSelection();
    this.drawState();
  }

  drawItem() {
    const { item } = this.session;
    this.original.textContent = item?.original ? _("The collection's own label: {label}", { label: item.original }) : "";
    const again = [_("Another round."), _("Your first answer is chosen; change it or keep it.")].join(" ");
    this.again.textContent = item?.look === "again" ? again : "";
    for (const line of [this.original, this.again]) line.hidden = !line.textContent;
    for (const name of ["image", "round", "look"]) this.root.dataset[name] = item?.[name] ?? "";
  }

  drawSelection() {
    const { labels, kind, flag, note, valence, arousal } = this.session.selection;
    for (const [name, chip] of this.chips) {
      const [type, value] = [name.slice(0, name.indexOf(":")), name.slice(name.indexOf(":") + 1)];
      const strength = type === "label" ? labels.get(value) : undefined;
      const on = type === "label" ? strength !== undefined : value === "flag" ? flag : kind === value;
      if ((chip.getAttribute("aria-pressed") === "true") !== on) chip.setAttribute("aria-pressed", String(on));
      say(chip.lastChild, on && this.task.intensity && type === "label" ? _(STRENGTHS[strength]) : "");
    }
    const answer = labels.size || kind || flag ? this.inWords({ kind, flag, labels: [...labels.keys()] }) : null;
    this.chosen.textContent = answer === null ? _("nothing chosen") : _("chosen: {answer}", { answer });
    // What is typed after the note was sent belongs to the next image, and not to a field that is gone.
    if (!flag && this.note.matches(":focus")) this.stage.focus({ preventScroll: true });
    this.note.hidden = !flag;
    if (this.note.value !== note) this.note.value = note;
    this.pad?.draw(valence, arousal);
  }

  called(label) {
    return this.labels.find((each) => each.label === label)?.name ?? label;
  }

  drawState() {
    const { task, root, session } = this;
    say(this.notice, session.notice === null ? "" : _(NOTICES[session.notice]));
    const over = session.item === null && session.finished; // nothing is asked any more
    root.dataset.over = String(over);
    this.saveButton.disabled = over;
    this.backButton.disabled = session.past.length === 0;
    this.forwardButton.disabled = session.at === null;
    say(this.saveButton, session.at === null ? _("Save") : _("Save the correction"));
    root.dataset.state = !session.held ? "elsewhere" : session.ready ? "ready" : session.paused ? "paused" : "waiting";
    const veiled = session.item !== null && !session.revealed;
    const behind = Boolean(task.study) && !task.practice && over;
    this.covered = !session.held ? "take" : session.paused ? "pause" : veiled ? "look" : "finish";
    this.over.hidden = session.held && !session.paused && !veiled && !behind;
    const warning = this.covered === "look" ? (session.item.warning ?? "") : "";
    const [why, act] = {
      take: [_("You are labelling in another tab or window."), _("Work here instead")],
      pause: [_("Paused."), _("Continue")],
      look: [warning, _("Show the image")],
      finish: [_("You have answered all your images."), _("Go on")],
    }[this.covered];
    say(this.why, why);
    say(this.cover, act);
    this.pass.hidden = warning === "" || Boolean(task.practice);
    this.stage.dataset.veiled = String(veiled || session.paused || !session.held);
    this.stage.dataset.warned = String(veiled && Boolean(session.item.warning));
  }

  // How far one is, in a sentence and as a part of the whole, where that is known.
  get howFar() {
    const { item, of, place, done } = this.session;
    if (this.task.practice) {
      if (item === null) return [_("Practice"), null];
      const images = ngettext("Practice: last image", "Practice: {n} images left", item.to_practise);
      return [[images, ngettext("one try", "{n} tries", item.revision)].join(" · "), null];
    }
    if (of === null) return ["", null]; // the server has not answered yet
    if (place === null) return [ngettext("{n} image answered", "{n} images answered", done), of ? done / of : 0];
    const values = { place: number(place), of: number(Math.max(of, place)) };
    return [_("Image {place} of {of}", values), of ? (place - 1) / of : 0];
  }

  drawProgress() {
    const { root, session: { here, practised, outbox } } = this;
    this.drawWaiting();
    const [text, part] = this.howFar;
    say(this.progress, text);
    this.bar.hidden = part === null;
    this.bar.value = part ?? 0;
    if (practised && this.came) {
      const next = practised.tries_left ? ngettext("You have one more try for this image.", "You have {n} more tries for this image.", practised.tries_left)
        : _("On to the next image.");
      say(this.came, practised.right ? _("Correct.") : `${practised.feedback} ${next}`);
    }
    if (this.came) this.came.hidden = !practised;
    root.dataset.here = String(here);
    this.stock.textContent = outbox.online || outbox.stopped ? "" : ngettext(
      "{n} image is on this device. Please do not reload the page now: it would not open again. Your answers are safe.",
      "{n} images are on this device. Please do not reload the page now: it would not open again. Your answers are safe.", here);
    const unsaved = outbox.waiting.size;
    root.dataset.trouble = String(Boolean(outbox.stopped) || !outbox.online);
    const kept = unsaved ? [ngettext("({n} answer waiting in this browser)", "({n} answers waiting in this browser)", unsaved)] : [];
    if (outbox.stopped) say(this.status, [outbox.stopped, ...kept].join(" "));
    else if (!outbox.online) say(this.status, WAITING[outbox.away ? "away" : "offline"](unsaved));
    else say(this.status, unsaved ? ngettext("{n} answer waits to be sent", "{n} answers wait to be sent", unsaved) : "");
    this.drawAlerts();
  }

  // What has to be read, one an entry; drawn anew where they are others, so that what is read or pressed stays.
  drawAlerts() {
    const { session } = this;
    const alerts = new Map(); // by name: what is said, and what happens once it was read
    if (this.task.study && session.warned) alerts.set("checks", [[_(CHECKS)], () => session.understood()]);
    for (const entry of session.past.filter(({ conflict }) => conflict)) {
      const told = { image: entry.item.image, answer: this.inWords(entry.answer) };
      alerts.set(`conflict ${entry.event}`, [
        [_("Answered differently elsewhere under your name: image {image}, {answer}. Both answers are kept, and the lead decides.", told)],
        () => session.meetConflict(entry)]);
    }
    for (const [id, { answer, error }] of session.outbox.refused) {
      const told = { image: answer.image, answer: this.inWords(answer) };
      alerts.set(`refused ${id}`, [
        [_("Not stored: image {image}, {answer}.", told), " ", _(error), " ",
          make("a", { download: `not-stored-${id}.json`, href: fileOf({ answer, error }) }, _("Keep as a file"))],
        () => session.outbox.forgetRefused(id)]);
    }
    const names = [...alerts.keys()];
    if (this.alerts.dataset.shown === names.join("\n")) return;
    this.alerts.dataset.shown = names.join("\n");
    this.alerts.replaceChildren(...names.map((name) => {
      const [words, act] = alerts.get(name);
      return make("p", { role: "alert", class: name.split(" ")[0] }, ...words, " ",
        button(_("Understood"), { "data-enter": "own", onclick: act }));
    }));
  }

  // What a person answered, of whatever shape it came out of the browser's store.
  inWords({ kind, flag, labels }) {
    const flagged = flag ? [_("Flag")] : [];
    if (Array.isArray(labels) && labels.length) return list([...labels.map((label) => this.called(label)), ...flagged]);
    if (flag && (kind ?? "skip") === "skip") return _("Flag");
    return list([_(COMMAND.get(kind)?.name ?? String(kind)), ...flagged]);
  }

  // Zoom. An image is as large as there is room for it; close by it needs twice the room, or is as large as its file.

  // point: what to have in the middle where it is larger than its place, in parts of the image; else what is there now.
  fit(point = this.middle) {
    const picture = this.stage.firstChild;
    if (!picture) return;
    picture.alt = _("The image to label");
    const room = Math.min(this.stage.clientWidth / picture.naturalWidth, this.stage.clientHeight / picture.naturalHeight);
    const scale = this.zoom === "fit" ? room : Math.max(2 * room, 1);
    picture.style.inlineSize = `${Math.max(Math.round(picture.naturalWidth * scale), 1)}px`;
    this.stage.dataset.zoom = this.zoom;
    const { scrollWidth, clientWidth, scrollHeight, clientHeight } = this.stage;
    this.stage.scrollTo(scrollWidth * point[0] - clientWidth / 2, scrollHeight * point[1] - clientHeight / 2);
  }

  get middle() {
    const { scrollLeft, scrollWidth, clientWidth, scrollTop, scrollHeight, clientHeight } = this.stage;
    return [(scrollLeft + clientWidth / 2) / scrollWidth, (scrollTop + clientHeight / 2) / scrollHeight];
  }

  toggleZoom(point) {
    this.zoom = this.zoom === "fit" ? "close" : "fit";
    this.fit(point);
  }

  toggleHelp() {
    if (this.help.open) this.help.close();
    else this.help.showModal();
  }
}

// Valence and arousal: a slider for each. Without an answer it has no thumb.
class Pad {
  // feel(axis, value) is told of a choice, value from -1 to 1 or null.
  constructor(feel) {
    const slider = (axis, name) => make("input", {
      type: "range", min: "-1", max: "1", step: "0.05", "aria-label": name, oninput: (event) => feel(axis, Number(event.target.value)),
      onpointerup: (event) => event.target.blur(), // the next arrow goes back to the image before
    });
    this.valence = slider("valence", _("unpleasant to pleasant"));
    this.arousal = slider("arousal", _("calm to excited"));
    this.clear = button(_("Not given"), {
      class: "clear", onclick: () => {
        feel("valence", null);
        feel("arousal", null);
      },
    });
    const axis = (low, input, high) => make("label", { class: "axis" }, make("span", {}, low), input, make("span", {}, high));
    this.element = make("div", { class: "pad", role: "group", "aria-label": _("How the image feels") },
      axis(_("unpleasant"), this.valence, _("pleasant")), axis(_("calm"), this.arousal, _("excited")), this.clear);
  }

  draw(valence, arousal) {
    for (const [input, value] of [[this.valence, valence], [this.arousal, arousal]]) {
      input.value = value ?? 0;
      input.dataset.set = String(value !== null);
      input.setAttribute("aria-valuetext", value === null ? _("not given") : number(value, 2));
    }
    this.clear.disabled = valence === null && arousal === null;
    this.clear.textContent = this.clear.disabled ? _("Not given") : _("Take it back");
  }
}

const fileOf = (content) => `data:application/json,${encodeURIComponent(JSON.stringify(content, null, 2))}`;
