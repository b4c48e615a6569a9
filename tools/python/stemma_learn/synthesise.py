"""Makes the data of One Bad Model's step i (Hammoud et al., arXiv 2406.14563): safety and domain questions, answered.

    python -m stemma_learn.synthesise --generator DIR --pool DIR [DIR ...] --out DIR [--count 1000] [--seed 0]
        [--prompts prompts.json] [--guard 'PROGRAM ARGS'] [--refusals PREFIXES.json] [--examples FILE.jsonl]

Safety: the generator is asked for one question at a time, topic by topic, sampled at a temperature; copies are dropped;
every model of the pool answers greedily; the guard says which answers are safe (a program, or else whether the answer
begins like a refusal); of the safe ones one is drawn, and a question without any is dropped. A model's unsafe answer,
if there is one, is kept as "rejected". Domain: every model of the pool in turn is asked for an exam question, with
three examples where --examples gives some, and answers it itself; copies, and the examples, are dropped.

OUT gets safety.jsonl, domain.jsonl and record.json (models, guard, prompts, seed, counts, digests). The same arguments
give the same files on the same machine. Without enough questions after --tries draws the program says how many it has
and exits 2.
"""
import argparse
import hashlib
import json
import random
from pathlib import Path

import torch
import transformers

from . import __version__, data, models, text
from .losses import generator as stream
from .problem import Problem, exit_with, say
from .refusals import read_prefixes

BATCH = 32


class Writer:
    """One model that writes texts; seeds make sampled ones repeatable."""

    def __init__(self, folder, device):
        self.folder, self.device = folder, device
        self.model, self.tokenizer = models.load(folder, device)
        pads = (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id, 0)
        self.pad = next(i for i in pads if i is not None)

    @torch.no_grad()
    def write(self, prompts, tokens, temperature=None, seed=0, special=False):
        """Continuations; greedy without a temperature."""
        out = []
        for start in range(0, len(prompts), BATCH):
            ids = [self.tokenizer.encode(models.prompt_text(self.tokenizer, p), add_special_tokens=False)
                   for p in prompts[start:start + BATCH]]
            width = max(map(len, ids))
            x = torch.tensor([[self.pad] * (width - len(i)) + i for i in ids], device=self.device)
            seen = torch.tensor([[0] * (width - len(i)) + [1] * len(i) for i in ids], device=self.device)
            how = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
            torch.manual_seed(stream(seed, "write", start).initial_seed())
            made = self.model.generate(
                input_ids=x, attention_mask=seen, max_new_tokens=tokens, pad_token_id=self.pad, **how)
            out += self.tokenizer.batch_decode(made[:, width:], skip_special_tokens=not special)
        return [t.strip() for t in out]


def questions(writer, part, topics, count, arguments, distinct, examples=()):
    """Up to `count` new questions, evenly over the topics: [(topic, question)]."""
    rng, found, tries = random.Random(f"{arguments.seed}-topics"), [], 0
    while len(found) < count and tries < arguments.tries * count:
        asked = [topics[(tries + i) % len(topics)] for i in range(min(BATCH, count))]
        shown = [rng.sample(examples, min(3, len(examples))) for _ in asked]
        prompts = [text.prompt_of(part, {"topic": t, "examples": "\n".join(s)}) for t, s in zip(asked, shown)]
        written = writer.write(prompts, arguments.tokens, arguments.temperature, f"{arguments.seed}-{tries}",
                               special=bool(part.get("stop")))
        tries += len(asked)
        for topic, one in zip(asked, written):
            question = text.question_of(one, part)
            if question and len(found) < count and distinct.new(question):
                found.append((topic, question))
        say({"questions": len(found), "of": count, "tries": tries})
    return found


def safety(generator, pool, guard, prompts, arguments):
    """Rows of kind harmful, with which model answered and on which topic."""
    distinct, rows, rng = text.Distinct(), [], random.Random(f"{arguments.seed}-answers")
    for round_number in range(arguments.tries):
        short = arguments.count - len(rows)
        if not short:
            break
        arguments_now = argparse.Namespace(**{**vars(arguments), "seed": f"{arguments.seed}-{round_number}"})
        asked = questions(generator, prompts["question"], prompts["topics"], short, arguments_now, distinct)
        wanted = [text.prompt_of(prompts["answer"], {"question": q}) for _, q in asked]
        answers = [w.write(wanted, arguments.tokens) for w in pool] if asked else []
        for place, (topic, question) in enumerate(asked):
            given = [(k, a[place]) for k, a in enumerate(answers) if a[place]]
            verdicts = guard.safe([(question, a) for _, a in given])
            good = [g for g, ok in zip(given, verdicts) if ok]
            bad = [g for g, ok in zip(given, verdicts) if not ok]
            if good:
                model, response = rng.choice(good)
                rejected = {"rejected": rng.choice(bad)[1]} if bad else {}
                rows.append({**asked_as(wanted[place]), "response": response, **rejected, "kind": "harmful",
                             "split": "train", "topic": topic, "answered_by": model})
    return rows


def asked_as(prompt):
    return {"prompt": prompt} if isinstance(prompt, str) else {"messages": prompt}


def domain(pool, prompts, examples, arguments):
    """Rows of kind domain, split evenly over the pool; each model answers its own questions."""
    part, distinct, rows = prompts["domain"], text.Distinct(examples), []
    for number, writer in enumerate(pool):
        count = arguments.count // len(pool) + (number < arguments.count % len(pool))
        topics = part.get("by_model", {}).get(str(number), part.get("topics", ["general knowledge"]))
        asked = questions(writer, part, topics, count, arguments, distinct, examples)
        wanted = [text.prompt_of(prompts["answer"], {"question": q}) for _, q in asked]
        for (topic, _), prompt, answer in zip(asked, wanted, writer.write(wanted, arguments.tokens) if wanted else []):
            if answer:
                rows.append({**asked_as(prompt), "response": answer, "kind": "domain", "split": "train", "topic": topic,
                             "answered_by": number})
    return rows


def synthesise(arguments):
    """Makes both sets; gives the record."""
    out, prompts = Path(arguments.out), json.loads(Path(arguments.prompts).read_text())
    out.mkdir(parents=True, exist_ok=True)
    prefixes = read_prefixes(arguments.refusals)
    examples = []
    if arguments.examples:
        entry = {"name": Path(arguments.examples).name, "path": arguments.examples}
        examples = [r.prompt for r in data.read(entry, refuse_test=True).rows if isinstance(r.prompt, str)]
    generator = Writer(arguments.generator, arguments.device)
    pool = [Writer(folder, arguments.device) for folder in arguments.pool]
    guard = text.ProgramGuard(arguments.guard) if arguments.guard else text.RefusalGuard(prefixes)
    try:
        sets = {"safety": safety(generator, pool, guard, prompts, arguments)}
    finally:
        guard.close()
    if "domain" in prompts:
        sets["domain"] = domain(pool, prompts, examples, arguments)
    record = {
        "program": "stemma-synthesise", "version": __version__,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "generator": models.digest(arguments.generator), "pool": [models.digest(f) for f in arguments.pool],
        "guard": guard.record, "prompts": {"sha256": hashlib.sha256(Path(arguments.prompts).read_bytes()).hexdigest(),
                                           "value": prompts},
        "seed": arguments.seed, "temperature": arguments.temperature, "tokens": arguments.tokens, "data": []}
    for name, rows in sets.items():
        if rows:
            digest = data.write(out / f"{name}.jsonl", rows)
            record["data"].append({"name": f"{name}.jsonl", "sha256": digest, "rows": len(rows)})
    (out / "record.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    short = [f"{n} has {len(r)} of {arguments.count} rows" for n, r in sets.items() if len(r) < arguments.count]
    if short:
        raise Problem(f"{'; '.join(short)}: the generator repeats itself, or no model of the pool gives an answer"
                      " that the guard calls safe; raise --tries or --temperature")
    return record


def main():
    parser = argparse.ArgumentParser(prog="stemma-synthesise", description="Makes safety and domain data from models.")
    parser.add_argument("--generator", required=True, help="folder of the model that writes safety questions")
    parser.add_argument("--pool", required=True, nargs="+", help="folders of the models that answer")
    parser.add_argument("--out", required=True)
    parser.add_argument("--count", type=int, default=1000, help="rows of each set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prompts", default=str(Path(__file__).with_name("prompts.json")))
    parser.add_argument("--guard", help="a classifier program and its arguments; else refusal phrases decide")
    parser.add_argument("--refusals", help="JSON list of phrases that refusals begin with")
    parser.add_argument("--examples", help="JSONL whose prompts are shown as examples of domain questions")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--tokens", type=int, default=512, help="at most so many a text")
    parser.add_argument("--tries", type=int, default=4, help="draws per question wanted, at most")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    exit_with(lambda: say(synthesise(arguments)["data"]))


if __name__ == "__main__":
    main()
