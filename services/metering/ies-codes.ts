/** A register of Indian meters as the IES names it; units kWh, kVAh … on the wire. */
export type IesCode = {
  readonly obis: string;
  readonly shortLabel: string;
  readonly name: string;
  readonly unit: string;
  readonly category: string;
  readonly profiles: readonly string[];
  /** The first is the one that holds when none is said. */
  readonly modes: readonly string[];
  readonly cumulative: boolean;
  readonly flowDirection: string;
  /** What may be said of a reading beside value, validationStatus, source, changeMethod and failCode. */
  readonly attributes: readonly string[];
};

const PROFILES: Readonly<Record<string, string>> = {
  ...{ C: 'CUSTOMER', I: 'INTERVAL', D: 'DAILY', M: 'MONTHLY', N: 'INSTANTANEOUS', E: 'EVENT', A: 'ALARM' },
};
const ALWAYS = ['value', 'validationStatus', 'source', 'changeMethod', 'failCode'];
const ALSO: Readonly<Record<string, readonly string[]>> = {
  ...{ '': [], oc: ['openingValue', 'closingValue'], md: ['occurredAt', 'integrationPeriod'] },
};

/** By OBIS code and by short label. Source: the code registry of IES MeterData v0.6, after IS 15959. */
export const IES_CODES: ReadonlyMap<string, IesCode> = new Map(
  table().flatMap((line) => {
    const [
      obis = '',
      shortLabel = '',
      name = '',
      unit = '',
      category = '',
      profiles = '',
      modes = '',
      sums,
      flow = '',
      also = '',
    ] = line.split('|');
    const code: IesCode = {
      ...{ obis, shortLabel, name, unit, category, flowDirection: flow },
      profiles: [...profiles].map((letter) => PROFILES[letter]!),
      modes: modes.split('/'),
      cumulative: sums === 'CUMULATIVE',
      attributes: [...ALWAYS, ...ALSO[also]!],
    };
    return [[obis, code] as const, [shortLabel, code] as const];
  }),
);

/** obis | short label | name | unit | category | profiles | modes | accumulation | direction | attributes */
function table(): string[] {
  return `
0.0.96.1.0.255|Serial|Meter serial number||identification|C|READING|||
0.0.96.1.1.255|Mfg Name|Manufacturer name||identification|C|READING|||
0.0.96.1.2.255|Device ID|Device ID||identification|C|READING|||
1.0.0.2.0.255|FW Version|Firmware version||identification|C|READING|||
0.0.94.91.9.255|Meter Type|Meter type||identification|C|READING|||
0.0.94.91.11.255|Meter Cat|Meter category||identification|C|READING|||
0.0.1.0.0.255|Clock|Clock||general|CIDMNE|READING|||
1.0.32.7.0.255|V_R|Voltage R-phase|V|voltage|N|READING|||
1.0.52.7.0.255|V_Y|Voltage Y-phase|V|voltage|N|READING|||
1.0.72.7.0.255|V_B|Voltage B-phase|V|voltage|N|READING|||
1.0.12.7.0.255|V_1P|Voltage 1P|V|voltage|N|READING|||
1.0.31.7.0.255|I_R|Current R-phase|A|current|N|READING|||
1.0.51.7.0.255|I_Y|Current Y-phase|A|current|N|READING|||
1.0.71.7.0.255|I_B|Current B-phase|A|current|N|READING|||
1.0.11.7.0.255|I_Phase|Phase current|A|current|N|READING|||
1.0.91.7.0.255|I_Neutral|Neutral current|A|current|N|READING|||
1.0.1.7.0.255|P_Import|Active power import|kW|power|N|READING|||
1.0.2.7.0.255|P_Export|Active power export|kW|power|N|READING|||
1.0.3.7.0.255|Q_Lag|Reactive power lag|kvar|power|N|READING|||
1.0.9.7.0.255|S_Total|Apparent power|kVA|power|N|READING|||
1.0.13.7.0.255|PF_3P|Power factor 3-phase||power|N|READING|||
1.0.33.7.0.255|PF_R|Power factor R-phase||power|N|READING|||
1.0.53.7.0.255|PF_Y|Power factor Y-phase||power|N|READING|||
1.0.73.7.0.255|PF_B|Power factor B-phase||power|N|READING|||
1.0.14.7.0.255|Freq|Frequency|Hz|power|N|READING|||
1.0.1.8.0.255|kWh imp|Active energy import - cumulative (kWh)|kWh|energyCumulative|DMN|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.2.8.0.255|kWh exp|Active energy export - cumulative (kWh)|kWh|energyCumulative|DMN|READING/USAGE|CUMULATIVE|EXPORT|oc
1.0.9.8.0.255|kVAh imp|Apparent energy import - cumulative (kVAh)|kVAh|energyCumulative|DM|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.10.8.0.255|kVAh exp|Apparent energy export - cumulative (kVAh)|kVAh|energyCumulative|DM|READING/USAGE|CUMULATIVE|EXPORT|oc
1.0.5.8.0.255|kvarh Q1|Reactive energy Q1 - cumulative (kvarh)|kvarh|energyCumulative|DM|READING/USAGE|CUMULATIVE||oc
1.0.6.8.0.255|kvarh Q2|Reactive energy Q2 - cumulative (kvarh)|kvarh|energyCumulative|DM|READING/USAGE|CUMULATIVE||oc
1.0.7.8.0.255|kvarh Q3|Reactive energy Q3 - cumulative (kvarh)|kvarh|energyCumulative|DM|READING/USAGE|CUMULATIVE||oc
1.0.8.8.0.255|kvarh Q4|Reactive energy Q4 - cumulative (kvarh)|kvarh|energyCumulative|DM|READING/USAGE|CUMULATIVE||oc
1.0.1.29.0.255|kWh imp block|Active energy import - block incremental (kWh)|kWh|energyIncremental|I|USAGE|DELTA|IMPORT|oc
1.0.2.29.0.255|kWh exp block|Active energy export - block incremental (kWh)|kWh|energyIncremental|I|USAGE|DELTA|EXPORT|oc
1.0.9.29.0.255|kVAh imp block|Apparent energy import - block incremental (kVAh)|kVAh|energyIncremental|I|USAGE|DELTA|IMPORT|oc
1.0.10.29.0.255|kVAh exp block|Apparent energy export - block incremental (kVAh)|kVAh|energyIncremental|I|USAGE|DELTA|EXPORT|oc
1.0.5.29.0.255|kvarh lag block|Reactive energy lag - block incremental (kvarh)|kvarh|energyIncremental|I|USAGE|DELTA||oc
1.0.8.29.0.255|kvarh lead block|Reactive energy lead - block incremental (kvarh)|kvarh|energyIncremental|I|USAGE|DELTA||oc
1.0.1.8.1.255|kWh TZ1|Active energy import - TZ1 (kWh)|kWh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.1.8.2.255|kWh TZ2|Active energy import - TZ2 (kWh)|kWh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.1.8.3.255|kWh TZ3|Active energy import - TZ3 (kWh)|kWh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.1.8.4.255|kWh TZ4|Active energy import - TZ4 (kWh)|kWh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.1.8.5.255|kWh TZ5|Active energy import - TZ5 (kWh)|kWh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.1.8.6.255|kWh TZ6|Active energy import - TZ6 (kWh)|kWh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.1.8.7.255|kWh TZ7|Active energy import - TZ7 (kWh)|kWh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.1.8.8.255|kWh TZ8|Active energy import - TZ8 (kWh)|kWh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.9.8.1.255|kVAh TZ1|Apparent energy import - TZ1 (kVAh)|kVAh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.9.8.2.255|kVAh TZ2|Apparent energy import - TZ2 (kVAh)|kVAh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.9.8.3.255|kVAh TZ3|Apparent energy import - TZ3 (kVAh)|kVAh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.9.8.4.255|kVAh TZ4|Apparent energy import - TZ4 (kVAh)|kVAh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.9.8.5.255|kVAh TZ5|Apparent energy import - TZ5 (kVAh)|kVAh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.9.8.6.255|kVAh TZ6|Apparent energy import - TZ6 (kVAh)|kVAh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.9.8.7.255|kVAh TZ7|Apparent energy import - TZ7 (kVAh)|kVAh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.9.8.8.255|kVAh TZ8|Apparent energy import - TZ8 (kVAh)|kVAh|energyToU|M|READING/USAGE|CUMULATIVE|IMPORT|oc
1.0.1.6.0.255|MD kW|Maximum demand (kW) - current billing period|kW|demand|DMN|USAGE|||md
1.0.9.6.0.255|MD kVA|Maximum demand (kVA) - current billing period|kVA|demand|M|USAGE|||md
1.0.0.8.0.255|Demand IP|Demand integration period|s|programmable|CM|READING|||
1.0.0.8.4.255|Capture IP|Profile capture period|s|programmable|CM|READING|||
0.0.13.0.0.255|Activity Cal|Activity calendar (TOU schedule)||programmable|CM|READING|||
0.0.15.0.0.255|Billing Schedule|Single-action schedule (Billing date)||programmable|CM|READING|||
0.0.17.0.0.255|Load Limit KW|Load limit threshold|kW|programmable|CM|READING|||
0.0.94.91.21.255|Load Limit Status|Load limit function status||programmable|CM|READING|||
0.0.96.3.10.255|Relay Status|Relay control object status||programmable|CM|READING|||
1.0.99.1.0.255|Block prof|Block load profile (load survey)||profile|CDMIE|READING|||oc
1.0.99.2.0.255|Daily prof|Daily load profile||profile|CDMIE|READING|||
0.0.98.1.0.255|Billing prof|Billing profile||profile|CDMIE|READING|||
0.0.99.98.0.255|Evt Volt|Event log - voltage events||eventLog|E|READING|||
0.0.99.98.1.255|Evt Curr|Event log - current events||eventLog|E|READING|||
0.0.99.98.2.255|Evt Power|Event log - power events||eventLog|E|READING|||
0.0.99.98.3.255|Evt Trans|Event log - transaction events||eventLog|E|READING|||
0.0.99.98.4.255|Evt Tamper|Event log - other tamper events||eventLog|E|READING|||
0.0.99.98.5.255|Evt NonRoll|Event log - non-rollover events||eventLog|E|READING|||
0.0.99.98.6.255|Evt Ctrl|Event log - control events||eventLog|E|READING|||
0.0.97.98.0.255|Alarm Reg|Alarm register||general|A|READING|||
`
    .trim()
    .split('\n');
}
