const BLOCK = '2026-11-02T12:00:00+05:30';

/**
 * An hour in which Asha's roof exported 0.9 kWh after she had sold 1.2: a request to start from, and the worked example of ROOM.md.
 * The rates are those the first pilot orders name; which order holds where you are, only the order says.
 */
export const EXAMPLE = {
  method: 'pro_rata',
  reading_minutes: 30,
  trades: [
    {
      ...{ trade_id: 'T1', seller: 'ASHA', buyer: 'BINA', block_start: BLOCK, block_minutes: 60 },
      ...{ qty_wh: 600, price_rupees_per_kwh: '5.40', trade_time: '2026-11-01T18:00:00+05:30' },
    },
    {
      ...{ trade_id: 'T2', seller: 'ASHA', buyer: 'CHETAN', block_start: BLOCK, block_minutes: 60 },
      ...{ qty_wh: 600, price_rupees_per_kwh: '5.60', trade_time: '2026-11-01T19:30:00+05:30' },
    },
  ],
  meters: [
    { meter_id: 'ASHA', connection_id: 'DL-1001', state: 'Delhi', retail_rupees_per_kwh: '6.50', feedin_rupees_per_kwh: '2.25' },
    { meter_id: 'BINA', connection_id: 'DL-1002', state: 'Delhi', retail_rupees_per_kwh: '6.50' },
    { meter_id: 'CHETAN', connection_id: 'UP-2001', state: 'Uttar Pradesh', retail_rupees_per_kwh: '7.12' },
  ],
  readings: [
    { meter_id: 'ASHA', interval_start: BLOCK, import_wh: 0, export_wh: 500 },
    { meter_id: 'ASHA', interval_start: '2026-11-02T12:30:00+05:30', import_wh: 0, export_wh: 400 },
    { meter_id: 'BINA', interval_start: BLOCK, import_wh: 100, export_wh: 0 },
    { meter_id: 'BINA', interval_start: '2026-11-02T12:30:00+05:30', import_wh: 200, export_wh: 0 },
    { meter_id: 'CHETAN', interval_start: BLOCK, import_wh: 450, export_wh: null },
    { meter_id: 'CHETAN', interval_start: '2026-11-02T12:30:00+05:30', import_wh: 450, export_wh: null },
  ],
  charges: {
    zone: 'Asia/Kolkata',
    cycle_starts_on: 1,
    slots: [
      { name: 'solar', from: '09:00', to: '17:00' },
      { name: 'peak', from: '18:00', to: '23:00' },
    ],
    boundaries: [{ name: 'distribution', across: '0.98' }],
    components: [
      {
        ...{
          name: 'transaction',
          base: 'kwh',
          rate_rupees_per_kwh: '0.42',
          payer: { buyer: '1/2', seller: '1/2' },
          payee: 'platform',
        },
        ...{ order: 'DERC, peer-to-peer pilot', clause: 'transaction charge, shared equally' },
      },
      {
        ...{
          name: 'wheeling',
          base: 'kwh',
          at: 'distribution',
          rate_rupees_per_kwh: '1.01',
          payer: { buyer: '1' },
          payee: 'discom',
        },
        applies_when: [{ field: 'seller.state', differs_from: 'buyer.state' }],
        ...{ order: 'DERC, peer-to-peer pilot', clause: 'interstate wheeling' },
      },
      {
        ...{ name: 'surcharge', base: 'energy', rate: '0.1', payer: { buyer: '1' }, payee: 'discom', waived_until: '2027-04-01' },
        ...{ order: 'UPERC, peer-to-peer pilot', clause: 'cross-subsidy surcharge, waived' },
      },
      {
        ...{ name: 'duty', base: ['energy', 'wheeling'], rate: '5/100', payer: { buyer: '1' }, payee: 'state' },
        ...{ order: 'an example', clause: 'electricity duty on energy and wheeling' },
      },
    ],
  },
} as const;
