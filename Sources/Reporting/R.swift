enum Reporting {}
