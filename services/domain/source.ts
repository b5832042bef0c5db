/** A register that a device of ours reads out. */
export type DeviceRegister = { readonly deviceId: string; readonly register: string };

/** The register of a device that has one, and of a charger's first connector. */
export const FIRST_REGISTER = '1';
const DEVICE = /^device:([A-Za-z0-9_-]{1,36})(?:\/([0-9]{1,3}))?$/;

/**
 * A meter's `source` names who delivers its readings. `device:<id>` is the device itself, over MQTT or OCPP, `device:<id>/<n>` a charger's
 * n-th connector (0: the station's own meter). Null: somebody else delivers them.
 */
export function deviceRegister(source: string): DeviceRegister | null {
  const [, deviceId, register = FIRST_REGISTER] = DEVICE.exec(source) ?? [];
  return deviceId === undefined ? null : { deviceId, register };
}

/** The sources that mean this register. */
export const sourcesOf = ({ deviceId, register }: DeviceRegister): string[] => [
  `device:${deviceId}/${register}`,
  ...(register === FIRST_REGISTER ? [`device:${deviceId}`] : []),
];
