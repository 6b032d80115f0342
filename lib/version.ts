/** Which heed this is: what package.json says, which a bundle does not have. */
export const version = '0.1.0';
