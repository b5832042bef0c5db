/*
 * Charging sessions dealt out Wh by Wh: blocks of an hour, powers in W, so that one unit is a Wh and a block holds as many as its power.
 * Nothing here is shared with the core.
 */

export type OracleSession = {
  readonly energy: number;
  /** By block: Wh the counterfactual may take, and what was metered. */
  readonly cap: readonly number[];
  readonly metered: readonly number[];
};

export type OracleCharge = { readonly baseline: number[][]; readonly short: number[]; readonly lifted: boolean[] };

/** `site` by block: most Wh of all sessions together, null = no limit. */
export function charge(sessions: readonly OracleSession[], site: readonly (number | null)[]): OracleCharge {
  const baseline = sessions.map(({ cap }) => cap.map(() => 0));
  const left = sessions.map(({ energy }) => energy);
  const one = (s: number, t: number) => {
    baseline[s]![t]!++;
    left[s]!--;
  };
  site.forEach((limit, t) => {
    const drawn = sessions.reduce((total, { metered }) => total + metered[t]!, 0);
    const total = () => baseline.reduce((sum, own) => sum + own[t]!, 0);
    sessions.forEach(({ cap, metered }, s) => {
      while (left[s]! > 0 && baseline[s]![t]! < Math.min(cap[t]!, metered[t]!)) one(s, t);
    });
    sessions.forEach(({ cap }, s) => {
      while (left[s]! > 0 && baseline[s]![t]! < cap[t]! && (limit === null || total() < Math.max(limit, drawn))) one(s, t);
    });
  });
  const lifted = sessions.map(({ metered }, s) => {
    let any = false;
    for (let t = site.length - 1; t >= 0; t--) {
      while (left[s]! > 0 && baseline[s]![t]! < metered[t]!) {
        one(s, t);
        any = true;
      }
    }
    return any;
  });
  return { baseline, short: left, lifted };
}
