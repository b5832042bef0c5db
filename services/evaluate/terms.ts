import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { type Terms, TermsSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { Direction } from '../../gen/lachak/v1/types_pb.ts';
import { presets } from '../catalogue/presets.ts';
import { filled, termsFault } from '../catalogue/terms.ts';
import type { Json } from '../domain/canonical.ts';
import { invalid, Refusal } from '../domain/outcome.ts';
import { methodOf } from '../performance/method.ts';
import type { Quantity } from '../performance/spec.ts';
import { type PayTerms, readPayTerms } from '../settlement/terms.ts';
import type { Candidate } from './methods.ts';

/** Terms of a programme as they are judged: what pays, which way, and the baseline they name themselves. */
export type JudgedTerms = {
  readonly name: string;
  /** 1: delivered = baseline − metered (SHED); −1: metered − baseline (ABSORB). */
  readonly sign: 1 | -1;
  /** The register all methods look at. */
  readonly quantity: Quantity;
  readonly pay: PayTerms;
  readonly noticeMinutes: number;
  /** The terms' own baseline; null where no core knows it. */
  readonly own: Candidate | null;
};

/** The name under which `--methods` knows the baseline of the terms themselves. */
export const OWN = 'terms';

/** A preset of the catalogue. Throws Refusal `usage` naming all of them. */
export function presetTerms(name: string): JudgedTerms {
  const preset = presets.find((one) => one.name === name);
  if (!preset)
    throw invalid(
      'usage',
      `--terms must be a file of terms as JSON, or one of ${presets.map((one) => one.name).join(', ')}, not ${name}`,
    );
  return judged(name, create(TermsSchema, preset.terms));
}

/**
 * Terms as a programme is published with them, or a programme that has them: the JSON of the API and of statements. Throws Refusal `usage`
 * naming the file and the first field that the catalogue would refuse.
 */
export function readTerms(text: string, file: string, isZone: (zone: string) => boolean): JudgedTerms {
  let terms: Terms;
  try {
    const json = JSON.parse(text) as { readonly terms?: JsonValue };
    terms = filled(fromJson(TermsSchema, (json.terms ?? json) as JsonValue));
  } catch (error) {
    throw invalid('usage', `${file} is no JSON of terms: ${(error as Error).message.slice(0, 300)}`);
  }
  // Calendars are given beside the readings here.
  const fault = termsFault(terms, { zone: isZone, calendar: () => true });
  if (fault) throw invalid('usage', `${file}: ${fault.message}`);
  // Reports are read elsewhere: the file's name says enough there, its path too much.
  return judged(file.slice(file.lastIndexOf('/') + 1), terms);
}

/** Whether money depends on what a home has committed. */
export const looksAtCommitted = ({ pay }: JudgedTerms): boolean =>
  pay.capOfCommitted !== null ||
  pay.pay.some((one) => one.kind === 'AVAILABILITY' || one.kind === 'PENALTY' || (one.kind === 'ENERGY' && one.tiers.length > 0));

function judged(name: string, terms: Terms): JudgedTerms {
  return {
    name,
    sign: terms.direction === Direction.ABSORB ? -1 : 1,
    quantity: (terms.baseline?.quantity || 'import') as Quantity,
    noticeMinutes: terms.noticeMinutes,
    pay: readPayTerms(toJson(TermsSchema, terms) as Json),
    own: ownBaseline(name, terms),
  };
}

function ownBaseline(name: string, { baseline, direction }: Terms): Candidate | null {
  try {
    const [workingDay, otherDay] = [true, false].map((working) => methodOf(baseline, direction, working));
    return {
      ...{ name: OWN, says: `the baseline that ${name} itself names`, rests: 'Source: the terms.' },
      spec: { kind: 'day_matching', workingDay: workingDay!, otherDay: otherDay! },
    };
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}
