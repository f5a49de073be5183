{{ config(alias='berths_now') }} select * from {{ source('harbour_master', 'berths') }}
