"""The rules on single rows as SQL.

The reasons stand in order, and the first one that holds is why a row goes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from majolica.config.filter import FilterConfig, RulesConfig
from majolica.data.filter.database import quote_sql
from majolica.errors import UserError
from majolica.plurals import counted


@dataclass(frozen=True)
class Reason:
    """Why a row goes: the rule, what of it, and its condition in SQL.

    The condition is empty where a later task decides.
    """

    rule: str
    why: str
    sql: str = ""
    needs: tuple[str, ...] = ()
    """Canonical columns without which the condition cannot be decided."""
    null: str = ""
    """What becomes of rows whose value is unknown: keep or drop, or nothing where none is needed.
    """


# Trimming, and counting runs of blanks, take 5 and 8 times as long as all of the reading. So they
# are used only for captions with unusual blanks, which a test that costs little finds.
_BLANKS = r" \t\n\r\f\v"
CHARS = (
    "CASE WHEN text < '!' OR text[-1] <= ' ' "  # true for all blanks, and for a few signs that trimming keeps
    f"THEN length(trim(text, e'{_BLANKS}')) ELSE length(text) END"
)
WORDS = (
    rf"(CASE WHEN text < '!' OR regexp_matches(text, '[\t\n\r\f\v]|  | $') "
    f"THEN len(regexp_extract_all(text, '[^{_BLANKS}]+')) ELSE len(string_split(text, ' ')) END)"
)


def list_reasons(config: FilterConfig) -> list[Reason]:
    """Every reason that the configuration can give, in order."""
    out: list[Reason] = []
    for reason in [
        *_url_reasons(config.rules),
        *_picture_reasons(config.rules),
        *_caption_reasons(config.rules),
        *_score_reasons(config.rules),
    ]:
        out.append(reason)
    whole: list[Reason] = []
    for i, reason in enumerate(out):  # rows with unknown values go after the last reason of a rule
        whole.append(reason)
        if reason.null == "drop" and (i + 1 == len(out) or out[i + 1].needs != reason.needs):
            unknown = " OR ".join(f"{column} IS NULL" for column in reason.needs)
            whole.append(Reason(reason.rule, f"{' or '.join(reason.needs)} unknown", unknown, reason.needs))
    return [*whole, *_later_reasons(config)]


def check_columns(config: FilterConfig, present: Collection[str], where: str) -> list[str]:
    """Warnings about rules that let all rows pass because a column is missing.

    Raises UserError where they would drop every row.
    """
    warnings = []
    for reason in list_reasons(config):
        absent = [column for column in reason.needs if column not in present]
        if not absent:
            continue
        if reason.null == "drop":
            names = ", ".join(getattr(config.columns, absent[0]))
            raise UserError(
                f"{where}: the rule {reason.rule} needs {absent[0]}, looked for as {names}: map it with "
                f"--columns.{absent[0]} NAME, or keep such rows with --rules.{reason.rule}.null keep"
            )
        if reason.null == "keep":
            warnings.append(f"{where}: no column for {absent[0]}, so {reason.rule} ({reason.why}) lets every row pass")
    return warnings


def _url_reasons(rules: RulesConfig) -> list[Reason]:
    out = [Reason("url", "no URL", "url IS NULL OR url = ''")]
    if rules.url.schemes:
        schemes = [scheme.lower() for scheme in rules.url.schemes]
        usual = " OR ".join(
            f"starts_with(url, {quote_sql(f'{scheme}://')})" for scheme in schemes
        )  # a quicker test, made first
        known = ", ".join(map(quote_sql, schemes))
        sql = f"NOT ({usual}) AND lower(split_part(url, '://', 1)) NOT IN ({known})"
        out.append(Reason("url", "scheme not allowed", sql))
    return out


def _picture_reasons(rules: RulesConfig) -> list[Reason]:
    rule, sides = rules.resolution, ("width", "height")
    tests = [
        (rule.min_side, f"a side below {rule.min_side} px", f"least(width, height) < {rule.min_side}"),
        (rule.max_side, f"a side above {rule.max_side} px", f"greatest(width, height) > {rule.max_side}"),
        (rule.max_pixels, f"more than {rule.max_pixels:,} pixels", f"width::BIGINT * height > {rule.max_pixels}"),
        (
            rule.max_aspect,
            f"sides beyond {rule.max_aspect:g} to 1",
            f"greatest(width, height) > {rule.max_aspect!r}::DOUBLE * least(width, height)",
        ),
    ]
    # least() and greatest() ignore NULLs, so that these are tested first.
    known = "width IS NOT NULL AND height IS NOT NULL"
    return [Reason("resolution", why, f"{known} AND {sql}", sides, rule.null) for on, why, sql in tests if on]


def _caption_reasons(rules: RulesConfig) -> list[Reason]:
    rule = rules.caption
    tests = [
        (rule.min_chars, f"fewer than {counted(rule.min_chars, 'character')}", f"chars < {rule.min_chars}"),
        (rule.max_chars, f"more than {counted(rule.max_chars, 'character')}", f"chars > {rule.max_chars}"),
        (rule.min_words, f"fewer than {counted(rule.min_words, 'word')}", f"{WORDS} < {rule.min_words}"),
        (rule.max_words, f"more than {counted(rule.max_words, 'word')}", f"{WORDS} > {rule.max_words}"),
    ]
    out = [Reason("caption", why, sql, ("text",), rule.null) for on, why, sql in tests if on]
    if rules.language.allowed:
        known = ", ".join(quote_sql(language.lower()) for language in rules.language.allowed)
        sql = f"lower(language) NOT IN ({known})"
        out.append(Reason("language", "another language", sql, ("language",), rules.language.null))
    return out


def _score_reasons(rules: RulesConfig) -> list[Reason]:
    out = []
    likeness, nsfw, mark, beauty = rules.similarity, rules.nsfw, rules.watermark, rules.aesthetic
    if likeness.min > -1:
        out.append(_score_reason("similarity", "similarity", "<", likeness.min, likeness.null))
    if likeness.max < 1:
        out.append(_score_reason("similarity", "similarity", ">", likeness.max, likeness.null))
    if nsfw.allowed:
        known = ", ".join(quote_sql(category.lower()) for category in nsfw.allowed)
        out.append(Reason("nsfw", "category", f"lower(nsfw) NOT IN ({known})", ("nsfw",), nsfw.null))
    if nsfw.max_probability < 1:
        out.append(_score_reason("nsfw", "punsafe", ">", nsfw.max_probability, nsfw.null))
    if mark.max_probability < 1:
        out.append(_score_reason("watermark", "pwatermark", ">", mark.max_probability, mark.null))
    if beauty.min > 0:
        out.append(_score_reason("aesthetic", "aesthetic", "<", beauty.min, beauty.null))
    return out


def _score_reason(rule: str, column: str, sign: str, limit: float, null: str) -> Reason:
    # Compared as float32, so that copies in float32 and in float64 lose the same rows.
    word = "below" if sign == "<" else "above"
    return Reason(rule, f"{word} {limit:g}", f"{column} {sign} {limit!r}::FLOAT", (column,), null)


def _later_reasons(config: FilterConfig) -> list[Reason]:
    """The reasons that need more than the row; later steps give them, in this order."""
    domain, out = config.rules.domain, []
    if config.sample.share < 1:
        out.append(Reason("share", f"outside the {config.sample.share:.4g} share"))
    if domain.blocked or domain.blocked_files:
        out.append(Reason("blocked", "domain on the block list"))
    if domain.opt_out_files:
        out += [Reason("opt_out", "domain opted out"), Reason("opt_out", "URL opted out")]
    if config.dedup.url:
        out.append(Reason("url_repeated", "the same URL again"))
    if config.dedup.picture:
        out.append(Reason("picture_repeated", "the same perceptual hash again"))
    if config.dedup.distance:
        out.append(Reason("picture_near", f"a picture within {counted(config.dedup.distance, 'bit')}"))
    if domain.cap:
        out.append(Reason("domain_cap", f"more than {domain.cap:,} of one {domain.cap_by}"))
    if config.sample.budget:
        out.append(Reason("budget", f"beyond {counted(config.sample.budget, 'row')}"))
    return out


def find_reason(config: FilterConfig, rule: str, why: str = "") -> int:
    """The number of a reason in the list, from 0."""
    return next(i for i, r in enumerate(list_reasons(config)) if r.rule == rule and (not why or r.why == why))


def reason_sql(config: FilterConfig) -> str:
    """SQL for the number of the first reason that holds for a single row, or NULL."""
    tests = [f"WHEN {reason.sql} THEN {i}" for i, reason in enumerate(list_reasons(config)) if reason.sql]
    return f"(CASE {' '.join(tests)} END)::UTINYINT"
