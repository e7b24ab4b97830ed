// export const meta is only mentioned here
return 1;
