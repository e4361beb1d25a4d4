"""What an ethics board or a data protection officer asks of a study."""

from affectml_annotation.study.check import announced_minutes, hourly, so_many
from affectml_annotation.study.folder import Study


def summary(study: Study) -> str:
    """Their questions and what the file answers, as a Markdown table."""
    file = study.file
    pay, checks, recruit, backups = file.pay, file.checks, file.recruit, file.backups
    asked = [*file.before.questions, *file.after.questions]
    shared = [question.id for question in asked if question.share]
    free = [question.id for question in asked if question.kind == "text"]
    ids = "the number of their link" if recruit.panel == "links" else f"{recruit.panel}'s id of the person"
    if "session" in recruit.names:
        ids += ", and of this participation"
    text = " ".join(filter(None, [file.consent.text, file.consent.version]))
    unfinished = {"all": "all of it", "nothing": "nothing", "by_images": "the share that their images are"}
    follows = {
        "note": "it is noted, and nothing else",
        "warn": "the person is warned",
        "end": "the images end, with pay",
    }
    over = f", and {pay.per_minute_over:.2f} for each minute over, {pay.most_minutes_over} at most"
    groups = ", ".join(f"{name}: {most}" for name, most in file.places.per_answer.items())
    agreed = [f"{text}, sha256 {study.hashes['consent']}"]
    for language in file.languages[1:]:
        name = f"consent.{language}"
        if name in study.texts:
            who = study.translation(language).read_by.consent or "nobody"
            agreed.append(f"{file.text_files(language)[name]}, sha256 {study.hashes[name]}, read by {who}")
    several = "" if len(file.languages) < 2 else f", and in which of the languages {', '.join(file.languages)}"
    rows = {
        "Before they agree": "nothing is stored but how many people opened the page, and how many declined; who does "
        "not agree leaves at once, and nothing of them is kept",
        "Agreed to": f"{'; '.join(agreed)}; ticked: {' '.join(file.consent.boxes)}",
        "Answers": f"the labels that each person chooses for {file.images_per_person} images, and when{several}; what "
        "images evoke in somebody may say something of their health, beliefs or sexual life",
        "Questions about the person": "; ".join(f"{question.id}: {question.text}" for question in asked) or "none",
        "Free text": f"{', '.join(free)}: people may write there who they are" if free else "none",
        "Shared with the data set": ", ".join(["the answers, under a random name", *shared]),
        "Identity": f"{ids}, in a table of its own, read for the payment alone",
        "Where it lies": "in the study's database, on the lead's own machine or server; the page loads nothing from "
        "elsewhere and sends nothing elsewhere; no internet address is stored, but a server in front may log it"
        + (
            f"; the last {backups.keep} backups beside it, and one of each of {backups.days} days before them"
            if backups.hours
            else ""
        ),
        "In the browser": "one cookie (HttpOnly, 30 days): the ids as they came, and a random number of the browser, "
        "so that the person can go on; one of Streamlit's against forged requests, a random number, until the browser "
        "is closed; answers, until the server has them",
        "Who sees it": "the leads, and who administers the machine; other participants see nothing"
        + ("" if recruit.panel == "links" else f"; {recruit.panel} learns who took part, and how it ended"),
        "How long": f"answers {file.keep_months} months; ids until the payment (`study pay --forget`), then a keyed "
        "hash by which whoever comes back is known",
        "Leaving": "at any moment, with one click and without a reason; what was given until then is kept",
        "Erasing": "by a click on the page or by writing to the lead, who confirms: answers, questions, ids, in the "
        "database, its files and the backups beside it; published data, other copies and replicas cannot be reached",
        "Payment": f"{pay.per_person:.2f} {pay.currency} for about {announced_minutes(study)} minutes ({hourly(study)} "
        f"an hour){over if pay.per_minute_over else ''}; screened out or one too many: {pay.per_screen_out:.2f}; "
        f"left or out of time: {unfinished[pay.unfinished]}; what anybody answers decides nothing about it",
        "Practice": f"{so_many(len(file.practice.images), 'image')} before the work, {file.practice.tries} tries "
        "each; whether the instructions were understood, never what somebody feels",
        "Attention checks": f"{so_many(file.check_count, 'image')} among the others, as many for everybody, in whose "
        "own words it stands what to choose; people are told so before they agree; after "
        f"{checks.failed} failed: {follows[checks.then]}"
        if file.check_count
        else "none",
        "Protection": "an image with a content warning stays covered until the person uncovers it; any image can be "
        f"left out; where to turn to: {' '.join(file.help) or 'not said'}",
        "People": f"{file.places.people} at most{f', by group {groups}' if groups else ''}; {file.overlap} per image",
    }
    lines = [f"| {what} | {' '.join(how.replace('|', '/').split())} |" for what, how in rows.items()]
    return "\n".join(["# Data protection summary", "", "| what | how |", "|---|---|", *lines])
