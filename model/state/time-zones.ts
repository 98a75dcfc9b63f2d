/**
 * Time zones that keep one offset all year: those the simulated cluster knows.
 *
 * Zones with daylight saving need the time zone database, which the runtime brings in a version of its own: a run would not
 * be a function of its plan any more. Source: https://www.iana.org/time-zones
 */
const MINUTES_EAST: Readonly<Record<string, number>> = {
  UTC: 0,
  'Etc/UTC': 0,
  'Etc/GMT': 0,
  GMT: 0,
  'America/Phoenix': -420,
  'America/Bogota': -300,
  'America/Argentina/Buenos_Aires': -180,
  'Africa/Abidjan': 0,
  'Africa/Lagos': 60,
  'Africa/Johannesburg': 120,
  'Africa/Nairobi': 180,
  'Asia/Dubai': 240,
  'Asia/Kolkata': 330,
  'Asia/Kathmandu': 345,
  'Asia/Bangkok': 420,
  'Asia/Jakarta': 420,
  'Asia/Shanghai': 480,
  'Asia/Singapore': 480,
  'Asia/Tokyo': 540,
  'Asia/Seoul': 540,
  'Australia/Brisbane': 600,
}
const WEST_MOST = 12
const EAST_MOST = 14

/** Undefined: not one of them. In 'Etc/GMT+5' the sign says how far west, as POSIX has it. */
export const minutesEast = (zone: string): number | undefined => {
  const [, sign, hours] = /^Etc\/GMT([+-])(\d{1,2})$/.exec(zone) ?? []
  if (sign === undefined || Number(hours) > (sign === '+' ? WEST_MOST : EAST_MOST)) return MINUTES_EAST[zone]
  return Number(hours) * (sign === '+' ? -60 : 60)
}

export const UNKNOWN_ZONE = 'only time zones that keep one offset all year are simulated (UTC, Etc/GMT±N, Asia/Tokyo and the like)'
