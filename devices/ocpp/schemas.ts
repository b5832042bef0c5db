import { Ajv, type ValidateFunction } from 'ajv';

/**
 * What we send, as JSON schemas written from the OCPP 1.6 edition 2 message tables; nothing leaves that does not fit. What we receive is
 * read leniently instead (read.ts): a station that is told "no" to a StartTransaction repeats it for ever.
 */
export type Schema = { readonly [key: string]: unknown };

const text = (maxLength: number): Schema => ({ type: 'string', maxLength });
const oneOf = (...values: string[]): Schema => ({ type: 'string', enum: values });
const dateTime: Schema = { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?Z$' };
const integer: Schema = { type: 'integer', minimum: -2_147_483_648, maximum: 2_147_483_647 };
const object = (required: Record<string, Schema>, optional: Record<string, Schema> = {}): Schema => ({
  type: 'object',
  properties: { ...required, ...optional },
  required: Object.keys(required),
  additionalProperties: false,
});

const idTagInfo = object(
  { status: oneOf('Accepted', 'Blocked', 'Expired', 'Invalid', 'ConcurrentTx') },
  { expiryDate: dateTime, parentIdTag: text(20) },
);
const purpose = oneOf('ChargePointMaxProfile', 'TxDefaultProfile', 'TxProfile');
// One decimal is all a limit has; ajv needs `multipleOfPrecision` for 0.1, or it refuses a third of them.
const period = object(
  { startPeriod: integer, limit: { type: 'number', multipleOf: 0.1, minimum: 0 } },
  { numberPhases: integer },
);
const schedule = object(
  { chargingRateUnit: oneOf('A', 'W'), chargingSchedulePeriod: { type: 'array', items: period, minItems: 1 } },
  { duration: integer, startSchedule: dateTime, minChargingRate: { type: 'number', multipleOf: 0.1 } },
);
const profile = object(
  {
    chargingProfileId: integer,
    stackLevel: { ...integer, minimum: 0 },
    chargingProfilePurpose: purpose,
    chargingProfileKind: oneOf('Absolute', 'Recurring', 'Relative'),
    chargingSchedule: schedule,
  },
  { transactionId: integer, recurrencyKind: oneOf('Daily', 'Weekly'), validFrom: dateTime, validTo: dateTime },
);

/** CALLs of the central system. */
export const calls: Record<string, Schema> = {
  ChangeConfiguration: object({ key: text(50), value: text(500) }),
  GetConfiguration: object({}, { key: { type: 'array', items: text(50) } }),
  TriggerMessage: object(
    {
      requestedMessage: oneOf(
        'BootNotification',
        'DiagnosticsStatusNotification',
        'FirmwareStatusNotification',
        'Heartbeat',
        'MeterValues',
        'StatusNotification',
      ),
    },
    { connectorId: integer },
  ),
  SetChargingProfile: object({ connectorId: integer, csChargingProfiles: profile }),
  ClearChargingProfile: object({}, { id: integer, connectorId: integer, chargingProfilePurpose: purpose, stackLevel: integer }),
  RemoteStartTransaction: object({ idTag: text(20) }, { connectorId: integer, chargingProfile: profile }),
  RemoteStopTransaction: object({ transactionId: integer }),
  DataTransfer: object({ vendorId: text(255) }, { messageId: text(50), data: { type: 'string' } }),
};

/** Answers of the central system. */
export const results: Record<string, Schema> = {
  BootNotification: object({ status: oneOf('Accepted', 'Pending', 'Rejected'), currentTime: dateTime, interval: integer }),
  Heartbeat: object({ currentTime: dateTime }),
  StatusNotification: object({}),
  MeterValues: object({}),
  Authorize: object({ idTagInfo }),
  StartTransaction: object({ transactionId: { ...integer, minimum: 1 }, idTagInfo }),
  StopTransaction: object({}, { idTagInfo }),
  DataTransfer: object(
    { status: oneOf('Accepted', 'Rejected', 'UnknownMessageId', 'UnknownVendorId') },
    { data: { type: 'string' } },
  ),
  FirmwareStatusNotification: object({}),
  DiagnosticsStatusNotification: object({}),
};

const compiled = new Map<string, ValidateFunction>();
const ajv = new Ajv({ multipleOfPrecision: 6, strictSchema: false });

/** The payload, when it fits its schema; throws when it does not: what we would send is wrong, and that is a bug. */
export function fitting(kind: 'calls' | 'results', action: string, payload: object): object {
  const name = `${kind}/${action}`;
  const validate = compiled.get(name) ?? ajv.compile({ calls, results }[kind][action]!);
  compiled.set(name, validate);
  if (!validate(payload)) throw new TypeError(`${name}: ${ajv.errorsText(validate.errors)}`);
  return payload;
}
