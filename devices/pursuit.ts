import type { Instant } from '../services/domain/interval.ts';
import type { Live } from './live.ts';
import { powerBefore, powerMoved } from './proof.ts';
import { heard, type Instruction, type Outcome, type Proof, type Pursuit, reconcile, type Word } from './reconcile.ts';

/** What a device said since we last looked, in its order. */
export type Saying =
  | { readonly kind: 'word'; readonly instructionId: string; readonly word: Word; readonly reason: string }
  /** The user took over. */
  | { readonly kind: 'override'; readonly reason: string }
  /** A charging session began or ended. */
  | { readonly kind: 'session' };
/** One answer to publish. */
export type Said = {
  readonly instruction: Instruction;
  readonly outcome: Outcome;
  readonly proof: Proof;
  readonly reason: string;
};
export type Deed = { readonly action: 'send' | 'clear'; readonly instruction: Instruction; readonly ended: boolean };
export type Pursued = {
  /** Changed ones only. */
  readonly changed: readonly Pursuit[];
  readonly said: readonly Said[];
  /** To be done once the change is stored. */
  readonly deeds: readonly Deed[];
  readonly due: Instant | null;
};

/** All open pursuits of one device, moved by what it said, by what its meter shows and by the time. */
export function pursue(pursuits: readonly Pursuit[], live: Live, sayings: readonly Saying[], now: Instant): Pursued {
  const changed: Pursuit[] = [];
  const said: Said[] = [];
  const deeds: Deed[] = [];
  let due: Instant | null = null;
  for (const before of pursuits) {
    const { instruction } = before;
    let pursuit = before;
    const become = (next: Pursuit): void => {
      if (next.outcome !== null && (next.outcome !== pursuit.outcome || next.proof !== pursuit.proof)) {
        said.push({ instruction, outcome: next.outcome, proof: next.proof, reason: next.reason });
      }
      pursuit = next;
    };
    for (const saying of sayings) {
      const next = afterSaying(pursuit, saying, now);
      if (next) become(next);
    }
    for (const next of measured(pursuit, live, now)) become(next);
    const step = reconcile(pursuit, live, now);
    if (step.next !== pursuit) become(step.next);
    const ended = now >= instruction.valid.end;
    if (step.action !== 'nothing') deeds.push({ action: step.action, instruction, ended });
    else if (taken(pursuit) && !ended && sayings.some((s) => s.kind === 'session'))
      deeds.push({ action: 'send', instruction, ended });
    if (pursuit !== before) changed.push(pursuit);
    if (step.due !== null && (due === null || step.due < due)) due = step.due;
  }
  return { changed, said, deeds, due };
}

function afterSaying(pursuit: Pursuit, saying: Saying, now: Instant): Pursuit | null {
  if (saying.kind === 'word')
    return saying.instructionId === pursuit.instruction.instructionId ? heard(pursuit, saying.word, saying.reason) : null;
  if (saying.kind === 'session') return null;
  const { start, end } = pursuit.instruction.valid;
  return start <= now && now < end ? heard(pursuit, 'overridden', saying.reason) : null;
}

// The power before is kept with the instruction: a restart must not forget what there was to move from.
function* measured(pursuit: Pursuit, live: Live, now: Instant): Generator<Pursuit> {
  const { valid, direction } = pursuit.instruction;
  if (pursuit.closed || pursuit.proof === 3 || now < valid.start) return;
  const beforeW = pursuit.beforeW ?? whole(powerBefore(live.samples, valid.start, direction));
  const known = beforeW === pursuit.beforeW ? pursuit : { ...pursuit, beforeW };
  if (known !== pursuit) yield known;
  if (!taken(known) || !powerMoved(live.samples, valid.start, beforeW, direction)) return;
  const next = heard(known, 'measured', `measured power ${direction === 'shed' ? 'fell below' : 'rose above'} ${beforeW} W`);
  if (next) yield { ...next, proof: 3 };
}

const taken = (pursuit: Pursuit): boolean => !pursuit.closed && (pursuit.outcome === 'ACCEPTED' || pursuit.outcome === 'APPLIED');
const whole = (watts: number | null): number | null => (watts === null ? null : Math.round(watts));
