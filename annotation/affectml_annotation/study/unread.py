"""What a study in several languages lacks: texts that nobody has read, and those that another language has not."""

from collections.abc import Iterator

from affectml_annotation import languages
from affectml_annotation.errors import BadTask
from affectml_annotation.study.file import FILE, UNSEEN
from affectml_annotation.study.folder import Study


def unread_consents(study: Study) -> list[str]:
    """A sentence for each language in which nobody is said to have read the consent. No study runs like that."""
    found = []
    for language in study.file.languages[1:]:
        said, files = study.translation(language), study.file.text_files(language)
        written = f"consent.{language}" in study.texts or said.boxes
        if written and not said.read_by.says("consent"):
            found.append(
                f"{files[f'consent.{language}']}: nobody is said to have read it. Let somebody whose language is "
                f"{languages.english_name(language)} read it and its boxes, and write who and when into "
                f"{files[f'study.{language}']}, at read_by: consent; or take {language} out of languages."
            )
    return found


def refuse_unread(study: Study) -> None:
    """Raises BadTask for a consent that nobody is said to have read."""
    for sentence in unread_consents(study):
        raise BadTask(sentence.rstrip("."))


def warnings(study: Study) -> Iterator[str]:
    """What else nobody is said to have read, and what people read in another language than they chose."""
    own, *others = study.file.languages
    for language in others:
        yield from _texts(study, language, own)
    for language in study.file.languages:
        name, ours = languages.english_name(language), languages.written(language)
        if ours is None:
            yield f"affectml's pages have no texts in {name}: they speak English around the study's own texts."
        elif not languages.read_by(ours):
            yield (
                f"the texts of affectml's pages in {name} were written by a machine, and nobody is said to have read "
                f"them (Read by, in affectml_annotation/languages/{ours}.po)."
            )


def _texts(study: Study, language: str, own: str) -> Iterator[str]:
    said, files = study.translation(language), study.file.text_files(language)
    reading, short = languages.english_name(language), files[f"study.{language}"]
    for name, own_file in {**study.file.text_files(), "study": FILE}.items():
        file = files[f"{name}.{language}"]
        if f"{name}.{language}" not in study.texts:
            yield f"{file} is not there: whoever reads {reading} is shown {own_file}."
        elif name not in ("consent", UNSEEN) and not said.read_by.says(name):
            yield f"{file}: nobody is said to have read it (read_by: {name}, in {short})."
    wordless = [one.image for one in study.file.dictated if language not in one.images]
    if wordless:
        yield (
            f"practice and checks have no image of their own in {reading} in place of {', '.join(wordless)}: whoever "
            f"reads {reading} is shown the words in {languages.english_name(own)}. Name one at images, such as "
            f"{{image: {wordless[0]}, images: {{{language}: IMAGE}}}}."
        )
    if f"study.{language}" in study.texts and (empty := list(_empty(study, language))):
        yield f"{short} leaves out, and people read in {languages.english_name(own)}: {', '.join(empty)}."


def _empty(study: Study, language: str) -> Iterator[str]:
    """What the study says, and a language leaves empty."""
    file, said = study.file, study.translation(language)
    left_out = {
        "question": file.question and not said.question,
        "boxes": file.consent.boxes and not said.boxes,
        "feedback": file.practice.images and not said.feedback,
        "help": file.help and not said.help,
    }
    yield from (what for what, is_so in left_out.items() if is_so)
    for one in (*file.before.questions, *file.after.questions):
        words = {**said.before, **said.after}.get(one.id)
        if words is None:
            yield f"question {one.id}"
            continue
        if not words.text:
            yield f"text of {one.id}"
        for end in ("low_label", "high_label"):
            if getattr(one, end) and not getattr(words, end):
                yield f"{end} of {one.id}"
        for option in one.options:
            if option not in words.options and any(map(str.isalpha, option)):  # 18-29 is said alike
                yield f"option {option!r} of {one.id}"
